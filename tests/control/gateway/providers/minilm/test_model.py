import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.control.gateway.models import EmbeddingModel
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.providers.minilm.model import INPUT_TOKENS_MAX, TEXT_CHARS_MAX, TEXTS_MAX, runs_of
from mainstay.kernel.errors import Invalid, Unavailable


def test_it_is_an_embedding_model(model: MiniLm) -> None:
    port: EmbeddingModel = model
    assert (port.name, port.provider, port.dimensions) == ("minilm-l6-v2-int8", "local", 384)


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("How do I reset my password?", "Steps to recover access to a locked account", "How do I bake rye bread?"),
        (
            "What does the warranty cover?",
            "Defects are repaired free of charge for two years",
            "Our offices close at 5",
        ),
        ("The cat sat on the mat", "A kitten rests on a rug", "Quarterly revenue grew by eleven percent"),
    ],
)
async def test_texts_of_like_meaning_are_near(model: MiniLm, query: str, near: str, far: str) -> None:
    vectors = (await model.embed([query, near, far])).vectors
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


async def test_vectors_have_length_one(model: MiniLm, paragraphs: list[str]) -> None:
    made = await model.embed(paragraphs)
    assert made.vectors.dtype == np.float32
    assert made.vectors.shape == (len(paragraphs), 384)
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)


async def test_a_vector_does_not_depend_on_the_rest_of_the_call(model: MiniLm, paragraphs: list[str]) -> None:
    together = (await model.embed(paragraphs)).vectors
    for text, vector in zip(paragraphs, together, strict=True):
        assert np.array_equal((await model.embed([text])).vectors[0], vector)


WORDS = ("pump", "valve", "warranty", "two years", "Bremsscheibe", "東京", "???")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12))
async def test_vectors_come_in_the_order_of_the_texts(model: MiniLm, texts: list[str]) -> None:
    forwards = (await model.embed(texts)).vectors
    backwards = (await model.embed(texts[::-1])).vectors
    assert np.array_equal(forwards, backwards[::-1])
    # A text that stands twice has one vector: what distinguishes the others is not their place.
    for number, text in enumerate(texts):
        assert np.array_equal(forwards[number], forwards[texts.index(text)])


@given(st.lists(st.integers(2, 256), max_size=200))
def test_runs_hold_each_text_once_and_one_length_each(lengths: list[int]) -> None:
    runs = runs_of(lengths)
    assert sorted(number for run in runs for number in run) == list(range(len(lengths)))
    for run in runs:
        assert len({lengths[number] for number in run}) == 1
        assert sum(lengths[number] for number in run) <= 512


async def test_tokens_are_counted_with_the_special_two(model: MiniLm) -> None:
    assert model.count_tokens("hello world") == 4
    assert (await model.embed(["hello world", "hello"])).input_tokens == 7


async def test_tokens_after_the_limit_change_nothing(model: MiniLm) -> None:
    words = ["rain"] * 400
    long, longer = " ".join(words), " ".join([*words, "sunshine"])
    assert model.count_tokens(longer) == 403
    made = await model.embed([long, longer])
    assert made.input_tokens == 2 * INPUT_TOKENS_MAX
    assert np.array_equal(made.vectors[0], made.vectors[1])


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], f"1 to {TEXTS_MAX} texts, not 0"),
        (["x"] * (TEXTS_MAX + 1), f"1 to {TEXTS_MAX} texts, not {TEXTS_MAX + 1}"),
        (["fine", ""], "Text 1 .* is empty"),
        ([" \n\t"], "Text 0 .* is empty"),
        (["x" * (TEXT_CHARS_MAX + 1)], f"{TEXT_CHARS_MAX + 1} characters"),
        (["broken \ud83d"], "half of a surrogate pair at character 7"),
    ],
)
async def test_input_beyond_a_limit_is_refused(model: MiniLm, texts: list[str], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint) as caught:
        await model.embed(texts)
    assert caught.value.param == "input"


@pytest.mark.parametrize("text", ["\x00\x01", "\u200b", "a" * TEXT_CHARS_MAX, "😀" * 300, "\u0301"])
async def test_odd_texts_get_a_vector(model: MiniLm, text: str) -> None:
    vectors = (await model.embed([text])).vectors
    assert np.isfinite(vectors).all()


async def test_the_event_loop_runs_on_during_a_long_call(model: MiniLm) -> None:
    call = asyncio.create_task(model.embed([f"number {number} " * 100 for number in range(30)]))
    turns = 0
    while not call.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100


async def test_a_query_does_not_wait_for_a_long_call(model: MiniLm) -> None:
    long = asyncio.create_task(model.embed([f"number {number} " * 100 for number in range(200)]))
    for _ in range(3):
        await model.embed(["a query"])
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_a_call_beyond_its_deadline_is_given_up(models: Path) -> None:
    hurried = MiniLm(models, threads=1, deadline_s=0.05)
    with pytest.raises(Unavailable, match=r"took longer than 0\.05 s"):
        await hurried.embed([f"number {number} " * 100 for number in range(200)])
    hurried.close()


async def test_a_closed_model_says_so(models: Path) -> None:
    closed = MiniLm(models, threads=1)
    closed.close()
    with pytest.raises(Unavailable, match="shutdown"):
        await closed.embed(["a query"])
