"""Embeddings of an OpenAI-compatible endpoint, in batches, of length 1 whatever the provider sends."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import numpy as np
import orjson

from mainstay.control.gateway.errors import ModelMisconfigured, ModelUnavailable
from mainstay.control.gateway.models import Embeddings, Vectors
from mainstay.control.gateway.providers.openai_compatible.chat import CHARS_PER_TOKEN
from mainstay.control.gateway.providers.openai_compatible.connection import Connection
from mainstay.control.gateway.providers.openai_compatible.policy import Deadlines, Retriable, Retries
from mainstay.kernel.errors import Invalid

BATCH_TEXTS_MAX = 128
BODY_BYTES_MAX = 64 * 1024 * 1024


class OpenAiCompatibleEmbeddings:
    """The embedding model `name` at `url`, which must give vectors of `dimensions` numbers."""

    provider = "openai-compatible"

    def __init__(
        self,
        url: str,
        name: str,
        key: str | None,
        *,
        dimensions: int,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self._connection = Connection(url, name, key, deadlines or Deadlines())
        self._retries = retries or Retries()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector per text; raises Invalid for an empty text, and the gateway's errors as a chat does."""
        empty = next((index for index, text in enumerate(texts) if not text.strip()), None)
        if empty is not None:
            raise Invalid(f"The text number {empty + 1} is empty and has no embedding.", param="input")
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        input_tokens = 0
        for start in range(0, len(texts), BATCH_TEXTS_MAX):
            batch = texts[start : start + BATCH_TEXTS_MAX]
            vectors[start : start + len(batch)], used = self._read(await self._post(batch), batch)
            input_tokens += used
        return Embeddings(vectors, input_tokens)

    async def _post(self, batch: Sequence[str]) -> bytes:
        body: dict[str, object] = {"model": self.name, "input": list(batch), "encoding_format": "float"}
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._connection.deadlines.total_s
        attempt = 0
        while True:
            try:
                return await self._receive(body, ends_at)
            except Retriable as failure:
                pause_s = self._retries.pause_after(failure, attempt)
                if pause_s is None or clock() + pause_s > ends_at:
                    raise failure.error from None
            attempt += 1
            await asyncio.sleep(pause_s)

    async def _receive(self, body: dict[str, object], ends_at: float) -> bytes:
        received = bytearray()
        async with self._connection.post("embeddings", body, ends_at=ends_at) as chunks, aclosing(chunks):
            async for chunk in chunks:
                received += chunk
                if len(received) > BODY_BYTES_MAX:
                    raise ModelUnavailable(f"The provider of {self.name} sends more than {BODY_BYTES_MAX} bytes.")
        return bytes(received)

    def _read(self, body: bytes, batch: Sequence[str]) -> tuple[Vectors, int]:
        try:
            parsed = orjson.loads(body)
            rows = sorted(parsed["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], np.float32)
            usage = parsed.get("usage") or {}
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise ModelUnavailable(
                f"The provider of {self.name} sent {len(body)} bytes that are no embeddings."
            ) from None
        if len(vectors) != len(batch) or vectors.ndim != 2:
            raise ModelUnavailable(f"The provider of {self.name} sent {len(vectors)} vectors for {len(batch)} texts.")
        if vectors.shape[1] != self.dimensions:
            raise ModelMisconfigured(
                f"The model {self.name} gives {vectors.shape[1]} dimensions, but {self.dimensions} are configured."
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths == 0).any():
            raise ModelUnavailable(f"The provider of {self.name} sent a vector without a direction.")
        estimate = sum(-(-len(text) // CHARS_PER_TOKEN) for text in batch)
        used = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return vectors / lengths, used if isinstance(used, int) and used >= 0 else estimate
