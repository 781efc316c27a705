import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.providers.minilm.quantised import WEIGHT_LEVEL_MAX, quantise
from mainstay.control.gateway.providers.minilm.runtime import Session, WordPieces
from mainstay.control.gateway.providers.minilm.weights import load_tensors, model_folder
from tests.control.gateway.providers.minilm.reference import encode

TEXTS = (
    "Rust",
    "The gauge must be calibrated every twelve months.",
    "Straße, naïveté, 東京 and 😀: not every token is a plain English word; some are not words at all.",
)


@pytest.mark.parametrize("text", TEXTS)
def test_float32_graph_equals_the_papers(float32_session: Session, text: str) -> None:
    tensors = load_tensors(model_folder() / "model.safetensors")
    token_ids = WordPieces().encode([text])[0]
    vector = float32_session.run(token_ids[None])[0]
    assert np.abs(vector - encode(tensors, token_ids)).max() < 1e-5


async def test_int8_graph_stays_near_float32(model: MiniLm, float32_session: Session, paragraphs: list[str]) -> None:
    ours = (await model.embed(paragraphs)).vectors
    token_ids = [np.append(ids[:255], ids[-1]) if len(ids) > 256 else ids for ids in WordPieces().encode(paragraphs)]
    theirs = np.concatenate([float32_session.run(ids[None]) for ids in token_ids])
    cosines = (ours * theirs).sum(axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99


weights = arrays(np.float32, (7, 5), elements=st.floats(-8, 8, width=32).filter(lambda value: abs(value) > 1e-3))


@given(weights)
def test_quantise_is_off_by_half_a_level_at_most(values: np.ndarray) -> None:
    levels, scales = quantise(values, axis=0, level_max=WEIGHT_LEVEL_MAX)
    assert scales.shape == (1, 5)
    assert np.all(np.abs(levels * scales - values) <= scales * 0.5001)


@given(weights)
def test_two_products_fit_sixteen_bits(values: np.ndarray) -> None:
    levels, _ = quantise(values, axis=0, level_max=WEIGHT_LEVEL_MAX)
    assert 2 * 255 * np.abs(levels.astype(int)).max() <= np.iinfo(np.int16).max
