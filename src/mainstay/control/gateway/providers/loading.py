"""An embedding model that loads while its process answers probes already: whoever needs it waits for it."""

import asyncio
from collections.abc import Callable, Sequence

from mainstay.control.gateway.models import EmbeddingModel, Embeddings
from mainstay.kernel.errors import MainstayError, Unavailable

LOAD_DEADLINE_S = 120.0


class LoadingModel:
    """Stands for the model that `load` returns, which runs in a thread of its own."""

    def __init__(self, *, name: str, provider: str, dimensions: int, load: Callable[[], EmbeddingModel]) -> None:
        self.name = name
        self.provider = provider
        self.dimensions = dimensions
        self._load = load
        self._loading: asyncio.Task[EmbeddingModel] | None = None

    def start(self) -> None:
        """Begin to load."""
        self._loading = asyncio.create_task(asyncio.to_thread(self._load))

    async def close(self) -> None:
        """Stop waiting for the model."""
        if self._loading is not None:
            self._loading.cancel()

    async def require_loaded(self) -> None:
        """Raise Unavailable with the reason unless the model can be used now."""
        if self._loading is None or not self._loading.done():
            raise Unavailable(f"The embedding model {self.name} is loading.")
        error = self._loading.exception()
        if error is not None:
            detail = error.message if isinstance(error, MainstayError) else type(error).__name__
            raise Unavailable(f"The embedding model {self.name} could not be loaded: {detail}")

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return what the model returns, once it is there."""
        if self._loading is None:
            self.start()
        if self._loading is not None and not self._loading.done():
            await asyncio.wait([self._loading], timeout=LOAD_DEADLINE_S)
        await self.require_loaded()
        loaded = self._loading
        if loaded is None:
            raise Unavailable(f"The embedding model {self.name} is not started.")
        return await loaded.result().embed(texts)
