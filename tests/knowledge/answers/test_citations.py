import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.control.gateway.models import ChatEvent, Finished, Passage, Quote, TextDelta
from mainstay.knowledge.answers.citations import with_citations

END = Finished("stop", 1, 1)
WARRANTY = Passage(
    1,
    "warranty.md",
    (),
    "# Warranty\n\nThe Linnet 2 is covered for two years from delivery. Water damage is not covered.\n"
    "Claims are answered within three working days.",
)
RETURNS = Passage(2, "returns.md", (), "A station may be returned within 30 days. Returns from Canada cost 18 dollars.")
GERMAN = Passage(3, "garantie.md", (), "Die Garantie beträgt zwei Jahre. Der Versand kostet 5 Euro.")
PASSAGES = {passage.number: passage for passage in (WARRANTY, RETURNS, GERMAN)}


async def replay(events: Sequence[ChatEvent]) -> AsyncIterator[ChatEvent]:
    for event in events:
        yield event


async def cited(*texts: str, passages: dict[int, Passage] = PASSAGES) -> list[ChatEvent]:
    return [event async for event in with_citations(replay([*map(TextDelta, texts), END]), passages)]


def quotes_of(events: Sequence[ChatEvent]) -> list[tuple[int, str, int]]:
    return [
        (
            event.passage_number,
            PASSAGES[event.passage_number].text[event.start_char : event.end_char],
            event.answer_index,
        )
        for event in events
        if isinstance(event, Quote)
    ]


async def test_marker_becomes_the_sentence_that_supports_it() -> None:
    events = await cited("The Linnet 2 has a warranty of two years from delivery [1]. More text.")
    assert quotes_of(events) == [(1, "The Linnet 2 is covered for two years from delivery.", 54)]
    assert events[-1] == END


async def test_marker_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    events = await cited("Claims are answered within three working days. [1] Returns from Canada cost 18 dollars. [2]")
    assert [text for _, text, _ in quotes_of(events)] == [
        "Claims are answered within three working days.",
        "Returns from Canada cost 18 dollars.",
    ]


async def test_marker_may_be_split_over_deltas() -> None:
    events = await cited("Returns from Canada cost 18 dollars ", "[", "2", "]", ".")
    assert [type(event) for event in events] == [TextDelta] * 4 + [Quote, TextDelta, Finished]


@pytest.mark.parametrize("markers", ["[1][2]", "[1, 2]", "[1], [2]", "[1] and [2]", "【1】【2】", "[1;2]"])
async def test_markers_side_by_side_share_their_claim(markers: str) -> None:
    passages = {1: WARRANTY, 2: Passage(2, "copy.md", (), "Water damage is not covered.")}
    events = await cited(f"Water damage is not covered {markers}.", passages=passages)
    assert [event.passage_number for event in events if isinstance(event, Quote)] == [1, 2]


async def test_claim_of_two_sentences_is_quoted_as_both() -> None:
    events = await cited("The Linnet 2 is covered two years from delivery, but water damage is not covered [1].")
    assert quotes_of(events)[0][1] == (
        "The Linnet 2 is covered for two years from delivery. Water damage is not covered."
    )


async def test_number_is_found_however_it_is_written() -> None:
    events = await cited("The Linnet 2 is covered for 2 years from delivery [1].")
    assert quotes_of(events)[0][1] == "The Linnet 2 is covered for two years from delivery."


async def test_remnant_after_a_marker_is_read_with_its_sentence() -> None:
    events = await cited("Die Garantie beträgt zwei Jahre [3] und mehr [3].")
    assert [text for _, text, _ in quotes_of(events)] == ["Die Garantie beträgt zwei Jahre."] * 2


@pytest.mark.parametrize(
    "text",
    [
        "The moon is made of cheese [1].",
        "The Plover 9 is covered for ninety years [1].",
        "Returns cost 999 yen [2].",
        "Water damage is not covered [7].",
        "In [2024] water damage was not covered.",
        "[1]",
        "Water damage is not covered (1).",
        "Water damage is not covered [one].",
    ],
)
async def test_marker_without_support_cites_nothing(text: str) -> None:
    events = await cited(text)
    assert events == [TextDelta(text), END]


async def test_model_that_quotes_by_itself_is_left_alone() -> None:
    own = [TextDelta("Water damage is not covered."), Quote(1, 63, 91, 28), TextDelta(" [1]"), END]
    assert [event async for event in with_citations(replay(own), PASSAGES)] == own


@pytest.mark.parametrize("quote", [Quote(9, 0, 5, 0), Quote(1, 0, 9999, 0), Quote(1, 5, 5, 0), Quote(1, -1, 5, 0)])
async def test_quote_of_a_model_that_does_not_exist_is_dropped(quote: Quote) -> None:
    assert [event async for event in with_citations(replay([quote, END]), PASSAGES)] == [END]


_FRAGMENTS = st.sampled_from(
    ["[1]", "[2, 3]", "[", "]", "1", " ", "【2】", "Water damage is not covered", "two years", ". ", "\n", "[99]", "é"]
)


@given(st.lists(st.lists(_FRAGMENTS, max_size=5).map("".join), max_size=12))
def test_text_passes_unchanged_and_quotes_are_verbatim(deltas: list[str]) -> None:
    events = asyncio.run(cited(*deltas))
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta(delta) for delta in deltas]
    whole = "".join(deltas)
    for event in events:
        if isinstance(event, Quote):
            passage = PASSAGES[event.passage_number].text
            assert 0 <= event.start_char < event.end_char <= len(passage)
            assert passage[event.start_char : event.end_char].strip() == passage[event.start_char : event.end_char]
            assert 0 <= event.answer_index <= len(whole)


@given(st.lists(st.integers(1, 6), max_size=30))
def test_quotes_do_not_depend_on_how_the_text_is_cut(sizes: list[int]) -> None:
    text = "Water damage is not covered [1]. Returns from Canada cost 18 dollars [2, 1]."
    deltas, position = [], 0
    for size in sizes:
        deltas.append(text[position : position + size])
        position += size
    deltas.append(text[position:])
    cut = [event for event in asyncio.run(cited(*deltas)) if isinstance(event, Quote)]
    whole = [event for event in asyncio.run(cited(text)) if isinstance(event, Quote)]
    assert cut == whole
    assert len(whole) == 2
