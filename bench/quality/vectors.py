"""Embeddings of a set by the product's own model, kept between runs: they take minutes and never change."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mainstay.control.gateway.models import EmbeddingModel, Vectors

BATCH_TEXTS = 256
# A document is one chunk here, whatever its length; the model reads the first 256 tokens of it.
_TEXT_CHARS_MAX = 8_000


async def embed(model: EmbeddingModel, texts: Sequence[str], cache: Path) -> Vectors:
    """Return one vector per text; a file of `cache` is named by the model and the digest of the texts."""
    texts = [text[:_TEXT_CHARS_MAX] for text in texts]
    digest = hashlib.sha256("\0".join((model.name, *texts)).encode()).hexdigest()[:24]
    path = cache / f"{model.name}-{digest}.npy"
    if path.is_file():
        return np.load(path)
    batches = [await model.embed(texts[start : start + BATCH_TEXTS]) for start in range(0, len(texts), BATCH_TEXTS)]
    vectors = np.concatenate([batch.vectors for batch in batches])
    _keep(path, vectors)
    return vectors


def _keep(path: Path, vectors: Vectors) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
