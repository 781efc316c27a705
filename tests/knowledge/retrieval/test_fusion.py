"""What decides how much the vector leg weighs."""

import dataclasses
from uuid import UUID

import pytest

from mainstay.knowledge.retrieval.fusion import PRIOR_CHUNKS, SIMILARITY_MEAN_MAX, parameters, vector_trust
from mainstay.knowledge.retrieval.models import Generation

GENERATION = Generation(UUID(int=1), "some-model", 8, 990, 9_900, ("en",), similarity_mean=0.5)


@pytest.mark.parametrize(
    ("query", "trust"),
    [
        ("Who scored the points?", 1.0),
        ("Wie groß ist die Brücke?", 1.0),
        ("黑豹队的防守丢了多少分？", 0.0),
        ("книга о море", 0.0),
        ("ab 黑豹", 0.5),
        ("2022 308", 1.0),
        ("", 1.0),
    ],
)
def test_model_of_the_latin_script_is_trusted_with_latin_letters(query: str, trust: float) -> None:
    assert vector_trust(query, "minilm-l6-v2-int8") == trust


def test_other_models_are_trusted_with_every_script() -> None:
    for model in ("text-embedding-3-small", "paraphrase-multilingual-MiniLM-L12-v2"):
        assert vector_trust("黑豹队", model) == 1.0


def test_mean_of_a_small_store_counts_little_and_never_leaves_its_range() -> None:
    assert parameters("x", GENERATION, has_vector=True)["similarity_mean"] == pytest.approx(
        0.5 * 990 / (990 + PRIOR_CHUNKS)
    )
    one = dataclasses.replace(GENERATION, chunk_count=1)
    assert parameters("x", one, has_vector=True)["similarity_mean"] < 0.1
    for mean, kept in ((None, 0.0), (-0.3, 0.0), (1.0, SIMILARITY_MEAN_MAX)):
        many = dataclasses.replace(GENERATION, chunk_count=10**6, similarity_mean=mean)
        assert parameters("x", many, has_vector=True)["similarity_mean"] == kept


def test_without_a_vector_words_decide_alone() -> None:
    assert parameters("x", GENERATION, has_vector=False)["vector_weight"] == 0.0
    assert parameters("x", GENERATION, has_vector=True)["vector_weight"] == 1.0
