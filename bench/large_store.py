"""A store of many chunks in a running system, made without a model, and loops over it without HTTP."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Self
from uuid import UUID

import asyncpg
import numpy as np

from bench.chunk_texts import chunk_texts
from bench.process_cpu import thread_cpu_s
from bench.running import RunningSystem
from mainstay.control.access import service as access
from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.kernel.ids import new_id
from mainstay.knowledge.documents.parsed import Chunk
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.store import Vector
from mainstay.platform.postgres import Database, PoolLimits, Scope, ScopeKey
from mainstay.platform.postgres.queries import parse_queries
from tests.support.retrieval import add_document_version, make_store

CHUNKS_PER_DOCUMENT = 50
_QUERY_WORDS = 8
_QUIET_DEADLINE_S = 120.0
_BACKEND = parse_queries(
    "-- name: find_backend\n-- The process of this session.\nSELECT pg_backend_pid()", origin="bench"
)["find_backend"]
_BUSY = "SELECT count(*) FROM mainstay.jobs WHERE state IN ('queued', 'running')"


@dataclass(frozen=True)
class LargeStore:
    """A store, whose it is, and questions in the words of its passages."""

    id: UUID
    scope: Scope
    scope_key: ScopeKey
    questions: Sequence[str]


@dataclass(frozen=True)
class LoopCost:
    """CPU milliseconds of one search in a loop: of the client's process, and of PostgreSQL."""

    client_ms: float
    postgres_ms: float

    @property
    def all_ms(self) -> float:
        """Both together."""
        return self.client_ms + self.postgres_ms


async def make_large_store(system: RunningSystem, count: int, questions: int) -> LargeStore:
    """Index passages with random vectors, wait for the merges that follow, and let PostgreSQL look at its tables."""
    texts = chunk_texts(count)
    vectors = np.random.default_rng(11).normal(size=(count, MiniLm.dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    database = await Database.connect(system.cluster.app_url, scope_key=system.scope_key)
    scope = (await access.authenticate(database, system.key, request_id="bench")).scope
    async with database.write(scope, unaudited="a bench") as tx:
        store_id = await make_store(tx)
    for start in range(0, count, CHUNKS_PER_DOCUMENT):
        rows = slice(start, start + CHUNKS_PER_DOCUMENT)
        await _add_document(database, scope, store_id, texts[rows], vectors[rows])
    await database.close()
    superuser = await asyncpg.connect(system.cluster.superuser_url)
    deadline = time.monotonic() + _QUIET_DEADLINE_S
    while await superuser.fetchval(_BUSY) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    await superuser.execute("VACUUM ANALYZE")
    await superuser.execute("CHECKPOINT")
    await superuser.close()
    step = max(1, count // questions)
    asked = [" ".join(text.split()[:_QUERY_WORDS]) for text in texts[::step]][:questions]
    return LargeStore(store_id, scope, system.scope_key, asked)


async def _add_document(
    database: Database, scope: Scope, store_id: UUID, texts: Sequence[str], vectors: Vectors
) -> None:
    chunks = [
        Chunk(number, text, 0, len(text), None, None, (), sha256(text.encode()).hexdigest())
        for number, text in enumerate(texts)
    ]
    async with database.write(replace(scope, request_id=new_id().hex), unaudited="a bench") as tx:
        document_id, version_id = await add_document_version(tx, store_id)
        await service.index_version(tx, store_id, document_id, version_id, chunks, vectors, embedding_model=MiniLm.name)


async def loop_searches(
    app_url: str, superuser_url: str, store: LargeStore, vectors: Vectors, *, limit: int, turns: int
) -> list[LoopCost]:
    """Search for each question through our own transactions, under row security and then as a superuser without it.

    The first turn warms up.
    """
    sessions = [
        await _Session.open(url, store.scope_key, as_owner=url == superuser_url) for url in (app_url, superuser_url)
    ]
    for turn in range(turns + 1):
        for question, vector in zip(store.questions, vectors, strict=True):
            for session in sessions:
                await session.search(store, question, vector, limit, measured=turn > 0)
    for session in sessions:
        await session.database.close()
    return [session.cost() for session in sessions]


class _Session:
    """One connection, the process behind it, and what its searches have taken."""

    def __init__(self, database: Database, backend: int) -> None:
        self.database = database
        self._backend = backend
        self._searches = 0
        self._client_s = 0.0
        self._backend_s = 0.0

    @classmethod
    async def open(cls, url: str, scope_key: ScopeKey, *, as_owner: bool) -> Self:
        limits = PoolLimits(connections_max=1)
        database = await Database.connect(url, limits, scope_key=scope_key, as_owner=as_owner)
        async with database.keyhole() as tx:
            return cls(database, await tx.fetch_value(_BACKEND))

    async def search(self, store: LargeStore, question: str, vector: Vector, limit: int, *, measured: bool) -> None:
        before, before_backend = time.process_time(), thread_cpu_s(self._backend)
        async with self.database.read(store.scope) as tx:
            found = await service.search(tx, store_id=store.id, query=question, vector=vector, limit=limit)
        assert found.passages, f"nothing was found for '{question}'"
        if measured:
            self._searches += 1
            self._client_s += time.process_time() - before
            self._backend_s += thread_cpu_s(self._backend) - before_backend

    def cost(self) -> LoopCost:
        return LoopCost(self._client_s * 1000 / self._searches, self._backend_s * 1000 / self._searches)
