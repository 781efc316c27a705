"""Chunks into Mainstay's indexes, and the same rows by COPY into a table without any."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import asyncpg
import numpy as np

from bench.actions import serve
from mainstay.control.audit import service as audit
from mainstay.control.gateway.models import Vectors
from mainstay.kernel.ids import encode_id, new_id
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.codecs import install_codecs
from tests.support.database import SCOPE_KEY
from tests.support.retrieval import add_document_version, make_store
from tests.support.tenants import make_tenant

MODEL = "null"
COLUMNS = ("tenant_id", "id", "store_id", "document_id", "version_id", "chunk_no", "text", "sha256", "embedding")
_PLAIN_TABLE = """
DROP TABLE IF EXISTS public.plain_rows;
CREATE TABLE public.plain_rows
       (tenant_id uuid, id uuid, store_id uuid, document_id uuid, version_id uuid, chunk_no int, text text,
        sha256 bytea, embedding halfvec(384))
"""


class Rows:
    """Keeps chunks and their vectors; each action writes all of them somewhere new."""

    def __init__(self) -> None:
        self._database: Database
        self._owner: asyncpg.Connection
        self._scope: Scope
        self._chunks: Sequence[Chunk] = ()
        self._vectors: Vectors
        self._versions: Sequence[tuple[UUID, UUID, slice]] = ()
        self._store_id: UUID

    async def open(self, app: str, owner: str) -> None:
        """Connect, and make a tenant."""
        owner_database = await Database.connect(owner, scope_key=SCOPE_KEY, as_owner=True)
        self._scope = (await make_tenant(owner_database)).admin
        await owner_database.close()
        self._database = await Database.connect(app, scope_key=SCOPE_KEY)
        self._owner = await asyncpg.connect(owner)
        await install_codecs(self._owner)

    async def load_rows(self, texts: str, vectors: str) -> int:
        """Make chunks of given texts and keep them with their vectors."""
        loaded: list[str] = json.loads(Path(texts).read_text(encoding="utf-8"))
        self._vectors = np.load(vectors)
        self._chunks = [
            Chunk(0, text, 0, len(text), None, None, (), sha256(text.encode()).hexdigest()) for text in loaded
        ]
        return len(loaded)

    async def prepare_rows(self, chunks_per_document: int) -> None:
        """Make an empty store with documents for `add_rows`, and an empty table for `copy_rows`."""
        self._chunks = [replace(one, ordinal=number % chunks_per_document) for number, one in enumerate(self._chunks)]
        starts = range(0, len(self._chunks), chunks_per_document)
        async with self._database.write(self._scope, unaudited="a bench") as tx:
            self._store_id = await make_store(tx)
            self._versions = [
                (*await add_document_version(tx, self._store_id), slice(start, start + chunks_per_document))
                for start in starts
            ]
        await self._owner.execute(_PLAIN_TABLE)

    async def add_rows(self) -> int:
        """Index the chunks, for each document in one commit: both legs, statistics, a probe and the audit."""
        for document_id, version_id, rows in self._versions:
            chunks, vectors = self._chunks[rows], self._vectors[rows]
            async with self._database.write(self._scope) as tx:
                await service.index_version(
                    tx, self._store_id, document_id, version_id, chunks, vectors, embedding_model=MODEL
                )
                await service.prove_retrievable(tx, self._store_id, version_id, chunks, vectors)
                await audit.record(
                    tx, "document.ready", target_id=encode_id("doc_", document_id), facts={"chunks": len(chunks)}
                )
        return len(self._chunks)

    async def copy_rows(self) -> int:
        """Write the rows by binary COPY as the owner into a table without index, key or row security."""
        document_id, version_id, _ = self._versions[0]
        tenant_id = self._scope.tenant_id
        rows = [
            (
                *(tenant_id, new_id(), self._store_id, document_id, version_id, number),
                *(one.text, bytes.fromhex(one.sha256), vector),
            )
            for number, (one, vector) in enumerate(zip(self._chunks, self._vectors, strict=True))
        ]
        await self._owner.copy_records_to_table("plain_rows", schema_name="public", records=rows, columns=COLUMNS)
        return len(rows)

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()
        await self._owner.close()


if __name__ == "__main__":
    asyncio.run(serve(Rows()))
