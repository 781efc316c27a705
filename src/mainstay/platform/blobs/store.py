"""The object store, through obstore: one API for a folder, S3 and memory."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal, Self
from uuid import UUID

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore

from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres import outside_transaction

Concern = Literal["uploads", "results"]
TIMEOUT_S = 60.0
PIECE_BYTES = 64 * 1024


class BlobMissing(MainstayError):
    """The object that a row names is not in the store."""

    kind = "unavailable"
    code = "blob_missing"


def blob_key(concern: Concern, tenant_id: UUID, name: UUID) -> str:
    """Return the key of an object: the concern, the tenant's folder, then a name of ours, never of a user."""
    return f"{concern}/{tenant_id.hex}/{name.hex}"


class Blobs:
    """Puts, gets and removes objects; each call has a deadline and needs no transaction to be open."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """Return a store in `folder`, which is made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(LocalStore(folder))

    @classmethod
    def in_memory(cls) -> Self:
        """Return a store that ends with the process; for tests."""
        return cls(MemoryStore())

    async def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, whole or not at all."""
        outside_transaction("blobs")
        async with asyncio.timeout(TIMEOUT_S):
            await obstore.put_async(self._store, key, data)

    async def get(self, key: str) -> bytes:
        """Return the object under `key`; raises BlobMissing."""
        outside_transaction("blobs")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await obstore.get_async(self._store, key)
                return bytes(await found.bytes_async())
        except FileNotFoundError:
            raise _missing(key) from None

    async def open(self, key: str) -> tuple[int, AsyncGenerator[bytes]]:
        """Return the size of the object under `key`, and its bytes in pieces, one at a time; raises BlobMissing."""
        outside_transaction("blobs")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            raise _missing(key) from None

        async def pieces() -> AsyncGenerator[bytes]:
            async for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

        return found.meta["size"], pieces()

    async def delete(self, key: str) -> None:
        """Remove the object under `key`, if it is there."""
        outside_transaction("blobs")
        async with asyncio.timeout(TIMEOUT_S):
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                return


def _missing(key: str) -> BlobMissing:
    return BlobMissing(f"The object '{key}' is missing from the store; upload the file again.")
