"""An embedding model without weights: texts with the same words point the same way."""

import hashlib
from collections.abc import Sequence

import numpy as np

from mainstay.control.gateway.models import Embeddings
from mainstay.platform.text import content_words


class WordsEmbedder:
    """Adds up a fixed direction for each content word; counts its calls and the texts it was given."""

    name = "words"
    provider = "tests"
    dimensions = 128

    def __init__(self) -> None:
        self.calls = 0
        self.texts: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector of length 1 per text."""
        self.calls += 1
        self.texts.extend(texts)
        vectors = np.array([self._vector(text) for text in texts], np.float32)
        return Embeddings(vectors, sum(len(text.split()) for text in texts))

    def _vector(self, text: str) -> np.ndarray:
        total = np.full(self.dimensions, 1e-3)
        for word in content_words(text):
            seed = int.from_bytes(hashlib.sha256(word.key.encode()).digest()[:4], "big")
            total += np.random.default_rng(seed).normal(size=self.dimensions)
        return total / np.linalg.norm(total)
