"""Our embedding model for peers, whose interfaces are synchronous; what it was given can be embedded again alone."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm import MiniLm

# As many as our own ingest gives to the model at once.
BATCH_TEXTS = 256


class SynchronousMiniLm:
    """MiniLM-L6-v2 int8 with the threads it has in Mainstay too."""

    dimensions = MiniLm.dimensions
    name = MiniLm.name

    def __init__(self, models: Path) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._model = MiniLm(models)
        self.given: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text."""
        self.given.append(list(texts))
        return self._embed(texts)[0]

    def embed_again(self) -> dict[str, int]:
        """Embed what was given since the last time, call by call, and forget it; return how much it was."""
        calls, self.given = self.given, []
        tokens = sum(self._embed(texts)[1] for texts in calls)
        return {"chunks": sum(len(texts) for texts in calls), "tokens": tokens}

    def _embed(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        embedded = asyncio.run_coroutine_threadsafe(self._model.embed(texts), self._loop).result()
        return embedded.vectors, embedded.input_tokens
