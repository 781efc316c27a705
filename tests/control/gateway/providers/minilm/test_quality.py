from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.embedding import ndcg_at_10
from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm import MiniLm


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "published"), [("cranfield", 0.382), ("med", 0.787), ("product-docs-qa", 0.683)])
async def test_retrieval_is_as_good_as_the_model_is_known_to_be(
    model: MiniLm, shared_data: Path, name: str, published: float
) -> None:
    async def embed(texts: Sequence[str]) -> Vectors:
        return (await model.embed(texts)).vectors

    assert await ndcg_at_10(shared_data / "retrieval" / name, embed) > published - 0.01
