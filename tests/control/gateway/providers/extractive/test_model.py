from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.control.gateway.models import ChatEvent, ChatRequest, Finished, Passage, Quote, TextDelta
from mainstay.control.gateway.providers.extractive import Extractive
from mainstay.control.gateway.providers.extractive.candidates import CANDIDATES_MAX
from mainstay.control.gateway.providers.extractive.model import QUOTES_MAX, REFUSAL
from tests.support.embedding import WordsEmbedder

WARRANTY = Passage(
    1,
    "warranty.md",
    ("Warranty",),
    "# Warranty of the Linnet 2\n\nThe warranty of the Linnet 2 lasts two years from delivery. "
    "A fault must be reported within 30 days.\n\n- The batteries are not covered\n",
)
REFUNDS = Passage(
    2,
    "refunds.md",
    (),
    "| Plan | Refund window |\n|---|---|\n| Hobby plan | 14 days |\n| Grower plan | 30 days |\n\n"
    "How do I pause my plan?\nA plan is paused under Account for up to\nfour months.",
)
PASSAGES = (WARRANTY, REFUNDS)


async def answer(
    question: str, passages: tuple[Passage, ...] = PASSAGES, output_tokens_max: int = 500
) -> list[ChatEvent]:
    model = Extractive(WordsEmbedder())
    async with aclosing(model.stream(ChatRequest((), question, passages, output_tokens_max))) as events:
        return [event async for event in events]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def quoted(events: list[ChatEvent], passages: tuple[Passage, ...] = PASSAGES) -> list[str]:
    texts = {passage.number: passage.text for passage in passages}
    return [texts[e.passage_number][e.start_char : e.end_char] for e in events if isinstance(e, Quote)]


async def test_answer_is_the_sentence_with_its_citation() -> None:
    events = await answer("How long does the warranty of the Linnet 2 last?")
    assert quoted(events)[0] == "The warranty of the Linnet 2 lasts two years from delivery."
    assert text_of(events).startswith("The warranty of the Linnet 2 lasts two years from delivery. [1]")
    assert events[-1].reason == "stop"


async def test_quote_stands_where_its_sentence_ends_in_the_answer() -> None:
    events = await answer("How long does the warranty of the Linnet 2 last?")
    whole = text_of(events)
    for event in events:
        if isinstance(event, Quote):
            assert whole[event.answer_index :].startswith(f" [{event.passage_number}]")


async def test_row_of_a_table_is_quoted_alone() -> None:
    events = await answer("What is the refund window of the Grower plan?")
    assert "| Grower plan | 30 days |" in quoted(events)


async def test_sentence_broken_over_lines_is_shown_in_one_line_and_cited_verbatim() -> None:
    events = await answer("Under what is a plan paused, for how many months?")
    assert quoted(events)[:1] == ["A plan is paused under Account for up to\nfour months."]
    assert "A plan is paused under Account for up to four months. [2]" in text_of(events)


@pytest.mark.parametrize(
    "question",
    ["Who is the king of Spain?", "What colour is the Kestrel 7?", "???", " "],
)
async def test_question_without_support_is_refused(question: str) -> None:
    events = await answer(question)
    assert text_of(events) == REFUSAL
    assert events[-1].reason == "refused"
    assert not quoted(events)


async def test_no_passages_are_refused_without_embedding_anything() -> None:
    embedder = WordsEmbedder()
    events = [event async for event in Extractive(embedder).stream(ChatRequest((), "Anything?", (), 100))]
    assert events[0] == TextDelta(REFUSAL)
    assert embedder.calls == 0


@pytest.mark.parametrize(
    "question",
    ["How long does the warranty of the Kestrel 7 last?", "How long does the warranty of the Linnet 9 last?"],
)
async def test_other_product_or_number_than_the_documents_have_is_refused(question: str) -> None:
    assert text_of(await answer(question)) == REFUSAL


async def test_question_is_embedded_once_more_without_what_the_passage_lacks() -> None:
    embedder = WordsEmbedder()
    request = ChatRequest((), "How long does the warranty of the Linnet 2 last in Norway?", PASSAGES, 500)
    events = [event async for event in Extractive(embedder).stream(request)]
    assert embedder.calls == 2
    assert embedder.texts[-1] == "How does the warranty of the Linnet 2 in ?"
    assert isinstance(events[-1], Finished)
    assert events[-1].input_tokens == sum(len(text.split()) for text in embedder.texts)


async def test_same_in_other_words_is_not_quoted_again() -> None:
    said = "The mast of the Plover is made of steel and zinc."
    twice = Passage(1, "mast.md", (), f"{said} Of zinc and steel the mast of the Plover is made.")
    more = Passage(1, "mast.md", (), f"{said} The mast of the Plover is made in Norway by Bergen.")
    question = "What is the mast of the Plover made of?"
    assert quoted(await answer(question, (twice,)), (twice,)) == [said]
    assert len(quoted(await answer(question, (more,)), (more,))) == 2


async def test_one_call_embeds_the_question_and_few_sentences() -> None:
    long = Passage(1, "long.md", (), " ".join(f"The warranty of station {n} lasts {n} years." for n in range(300)))
    embedder = WordsEmbedder()
    async for _ in Extractive(embedder).stream(ChatRequest((), "How long is the warranty of station 7?", (long,), 500)):
        pass
    assert embedder.calls == 1
    assert len(embedder.texts) == 1 + CANDIDATES_MAX


async def test_same_sentence_in_two_passages_is_quoted_once() -> None:
    copies = (WARRANTY, Passage(2, "copy.md", (), WARRANTY.text))
    events = await answer("How long does the warranty of the Linnet 2 last?", copies)
    assert len(set(quoted(events, copies))) == len(quoted(events, copies))


async def test_tokens_are_counted_and_said_to_be_estimated() -> None:
    events = await answer("How long does the warranty of the Linnet 2 last?")
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.input_tokens > 0
    assert end.output_tokens == -(-len(text_of(events)) // 4)
    assert end.estimated


async def test_output_limit_leaves_out_further_quotes() -> None:
    rules = Passage(
        1,
        "rules.md",
        (),
        "\n".join(f"- Returns are free in the {n}, with a label." for n in ("north", "south", "east")),
    )
    full = await answer("Are returns free, with a label?", (rules,))
    short = await answer("Are returns free, with a label?", (rules,), output_tokens_max=5)
    assert len(quoted(full, (rules,))) == QUOTES_MAX
    assert len(quoted(short, (rules,))) == 1
    assert short[-1].reason == "length"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("Linnet2 warranty lasts.\n-|#?。两年 "), max_size=120), max_size=4),
    st.text(st.sampled_from("How long Linnet2 warranty?年 "), max_size=60),
)
async def test_every_quote_is_verbatim_and_every_answer_ends(texts: list[str], question: str) -> None:
    passages = tuple(Passage(n, "a.md", (), text) for n, text in enumerate(texts, start=1))
    events = await answer(question, passages)
    ends = [event for event in events if isinstance(event, Finished)]
    assert events[-1:] == ends
    quotes = quoted(events, passages)
    assert len(quotes) <= QUOTES_MAX
    assert all(quote and quote == quote.strip() for quote in quotes)
    assert bool(quotes) == (ends[0].reason != "refused")
    for quote in quotes:
        assert " ".join(quote.split()) in text_of(events)
