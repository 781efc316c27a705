"""The search route as one would write it by hand in FastAPI, uvicorn and psycopg: the peer of F.A1.

The same key check, embedding, statements and fields of JSON as Mainstay's route, in a role that sees past row
security, so that no scope is set; each statement is a round trip of its own, without a transaction. It records no
usage and no audit, binds no log and writes no metrics. Statements are prepared, and planned as PostgreSQL likes.

    DATABASE_URL=… MODELS=… uvicorn bench.peers.search_app:app
"""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import orjson
from fastapi import FastAPI, Header, HTTPException, Request, Response
from pgvector import HalfVector
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, Field

from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.knowledge.documents import versions
from mainstay.knowledge.retrieval import service
from mainstay.platform.postgres import Query

CONNECTIONS = 8
FIND_KEY = """
SELECT tenant_id FROM mainstay.api_keys
 WHERE prefix = $1 AND secret_sha256 = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
# What no client of the route has a use for.
_LEFT_OUT = {"tenant_id", "sha256", "version_id", "rank", "ordinal", "fused_score", "text"}


class Search(BaseModel):
    """The body of a request."""

    query: str = Field(min_length=1, max_length=16_000)
    max_num_results: int = Field(default=10, ge=1, le=50)


class Statements:
    """Runs Mainstay's named queries through psycopg, for the functions that build them and read their rows."""

    def __init__(self, connection: AsyncConnection[dict[str, Any]], tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def fetch(self, query: Query, **params: object) -> Sequence[Mapping[str, Any]]:
        """Return all rows."""
        cursor = await self._connection.execute(query.sql, self._arguments(query, params))
        return await cursor.fetchall()

    async def fetch_one(self, query: Query, **params: object) -> Mapping[str, Any] | None:
        """Return the first row."""
        cursor = await self._connection.execute(query.sql, self._arguments(query, params))
        return await cursor.fetchone()

    def _arguments(self, query: Query, params: Mapping[str, object]) -> list[object]:
        given = {**params, "tenant_id": self._tenant_id}
        return [
            HalfVector(value) if isinstance(value, np.ndarray) else value
            for value in (given[name] for name in query.params)
        ]


async def _configure(connection: AsyncConnection[dict[str, Any]]) -> None:
    await connection.set_autocommit(True)
    await register_vector_async(connection)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the pool and the model."""
    kwargs = {"row_factory": dict_row, "cursor_factory": AsyncRawCursor, "options": "-c search_path=mainstay,public"}
    pool = AsyncConnectionPool(
        os.environ["DATABASE_URL"], min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs=kwargs, configure=_configure,
        open=False,
    )  # fmt: skip
    async with pool:
        app.state.pool, app.state.model = pool, MiniLm(Path(os.environ["MODELS"]))
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Answer once the model is loaded."""
    return {"status": "ready"}


@app.post("/v1/vector_stores/{store_id}/search")
async def search(store_id: str, body: Search, request: Request, authorization: Annotated[str, Header()]) -> Response:
    """Return the best passages of a store."""
    key = authorization.removeprefix("Bearer ")
    store = UUID(store_id.removeprefix("vs_"))
    async with request.app.state.pool.connection() as connection:
        cursor = await connection.execute(FIND_KEY, [key[3:15], sha256(key.encode()).digest()])
        caller = await cursor.fetchone()
    if caller is None:
        raise HTTPException(401)
    vector = (await request.app.state.model.embed([body.query])).vectors[0]
    async with request.app.state.pool.connection() as connection:
        tx: Any = Statements(connection, caller["tenant_id"])
        found = await service.search(tx, store_id=store, query=body.query, vector=vector, limit=body.max_num_results)
        cards = await versions.describe(tx, [passage.version_id for passage in found.passages])
    data = [
        {
            **{name: value for name, value in vars(passage).items() if name not in _LEFT_OUT},
            "file_id": f"file-{cards[passage.version_id].file_id.hex}",
            "filename": cards[passage.version_id].filename,
            "external_id": cards[passage.version_id].external_id,
            "document_version": cards[passage.version_id].number,
            "score": round(passage.fused_score, 6),
            "attributes": {},
            "content": [{"type": "text", "text": passage.text}],
        }
        for passage in found.passages
    ]
    page = {"object": "vector_store.search_results.page", "search_query": [body.query], "data": data, "has_more": False}
    return Response(orjson.dumps(page), media_type="application/json")
