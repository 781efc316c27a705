"""The product's embedding model with a memory: in a bench the same sentences come back in question after question."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mainstay.control.gateway.models import EmbeddingModel, Embeddings, Vectors


class Remembering:
    """Embeds each text once; between runs the vectors are kept in one file under `folder`."""

    provider = "bench"

    def __init__(self, model: EmbeddingModel, folder: Path) -> None:
        self.name = model.name
        self.dimensions = model.dimensions
        self._model = model
        self._path = folder / f"sentences-{model.name}.npz"
        self._known: dict[bytes, Vectors] = {}
        if self._path.is_file():
            with np.load(self._path) as kept:
                digests = [bytes(row) for row in kept["digests"]]
                self._known = dict(zip(digests, kept["vectors"], strict=True))

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector per text."""
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        new = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._known}
        if new:
            made = await self._model.embed(list(new.values()))
            self._known.update(zip(new, made.vectors, strict=True))
        return Embeddings(np.stack([self._known[digest] for digest in digests]), 0)

    def keep(self) -> None:
        """Write what is known to the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        digests = np.array([list(digest) for digest in self._known], np.uint8)
        np.savez(self._path, digests=digests, vectors=np.stack(list(self._known.values())))
