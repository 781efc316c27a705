"""The edge alone: the real server with limits of a test's choice, a few routes, and connections by hand."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, UploadFile
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.routing import Route

from mainstay.bootstrap import ServerSystem
from mainstay.config import Settings
from mainstay.control.access import service as access
from mainstay.control.access.door import Permitted
from mainstay.control.access.operations import DECLARED, Operation, Permission, Role, Table
from mainstay.control.limits import service as limits
from mainstay.control.limits.admission import Admission
from mainstay.edge.server.app import create_app
from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.protocol import LimitedServer
from mainstay.edge.server.serving import make_server
from mainstay.platform.postgres import Database
from tests.support.tenants import TestTenant

PIECE = b"x" * 65536


class Echo(BaseModel):
    """A body of any fields."""

    model_config = ConfigDict(extra="allow")


def routes() -> APIRouter:
    """Return routes as slices have them: a JSON body, an upload, a small and an endless response."""
    router = APIRouter()

    @router.post("/v1/echo")
    async def echo(caller: Permitted, body: Echo) -> dict[str, Any]:
        return body.model_dump()

    @router.post("/v1/files")
    async def upload(caller: Permitted, file: UploadFile) -> dict[str, int]:
        return {"bytes": file.size or 0}

    @router.get("/v1/large/{pieces}")
    async def large(caller: Permitted, pieces: int) -> StreamingResponse:
        return StreamingResponse(_endless(pieces), media_type="application/octet-stream")

    @router.get("/v1/never")
    async def never(caller: Permitted) -> PlainTextResponse:
        await asyncio.Event().wait()
        return PlainTextResponse("")

    return router


async def _endless(pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield PIECE


async def make_key(
    owner: Database, tenant: TestTenant, role: Role = "admin", scopes: Sequence[Permission] | None = None
) -> str:
    """Return a key of the tenant's admin, limited to `scopes` where some are given."""
    async with owner.write(tenant.admin, unaudited="a fixture") as tx:
        await limits.put_on_plan(tx, "scale")
        return (await access.issue_key(tx, role=role, name=role, holder_id=tenant.admin_id, scopes=scopes)).secret


@dataclass(frozen=True)
class Reply:
    """One response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Return the error, after making sure that it has the one shape and nothing else."""
        made = json.loads(self.body)
        assert set(made) == {"error"}
        assert set(made["error"]) == {"message", "type", "param", "code"}
        assert made["error"]["message"]
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"].startswith("req_")
        return made["error"]


@dataclass(frozen=True)
class Edge:
    """A server that runs, and a key that it takes."""

    port: int
    key: str
    given_server: LimitedServer | None = None

    @property
    def server(self) -> LimitedServer:
        """Return the server, where it runs in this process."""
        assert self.given_server is not None
        return self.given_server

    async def is_ready(self) -> bool:
        """Return whether the server answers that it is ready."""
        try:
            return (await self.send(b"GET /readyz HTTP/1.1\r\nHost: edge\r\n\r\n")).status == 200
        except OSError:
            return False

    @property
    def authorization(self) -> bytes:
        """Return the header that proves the key, with its line end."""
        return b"Authorization: Bearer " + self.key.encode() + b"\r\n"

    def head(self, method: str, path: str, *headers: bytes) -> bytes:
        """Return the head of a request with the key."""
        lines = b"".join(header + b"\r\n" for header in headers)
        return f"{method} {path} HTTP/1.1\r\nHost: edge\r\n".encode() + self.authorization + lines + b"\r\n"

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a connection, which is cut when the block ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def connections_at_most(self, count: int, deadline_s: float) -> None:
        """Wait until no more than `count` connections are open."""
        async with asyncio.timeout(deadline_s):
            while len(self.server.server_state.connections) > count:  # noqa: ASYNC110  (uvicorn tells in no other way)
                await asyncio.sleep(0.02)

    async def send(self, *pieces: bytes) -> Reply:
        """Send pieces on a new connection and return the first response."""
        async with self.connection() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
            return await read_reply(reader)


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Return the next response of a connection, which must have a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(head[0].split()[1]), headers, body)


def declared_of(*routers: APIRouter) -> Table:
    """Return the declared table with the operations of these routers in place of the product's; all may be asked."""
    names = [
        f"{method} {route.path_format}"
        for router in routers
        for route in router.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    ]
    return replace(DECLARED, operations={name: Operation(name, "ask", operator=False) for name in names})


@asynccontextmanager
async def running_edge(
    database: Database, key: str, edge_limits: EdgeLimits, routers: Sequence[APIRouter] = ()
) -> AsyncGenerator[Edge]:
    """Run the edge in this event loop until the block ends."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ServerSystem]:
        admission = Admission(database)
        yield ServerSystem(database, [routes(), *routers], {}, admission)
        await admission.close()

    app = create_app(Settings(), opened, edge_limits, declared_of(routes(), *routers))
    server = make_server(app, host="127.0.0.1", port=0, limits=edge_limits)
    # The signals of the test run are not the server's.
    serving = asyncio.create_task(server._serve(None))
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110  (uvicorn tells in no other way)
            await asyncio.sleep(0.01)
    try:
        yield Edge(server.servers[0].sockets[0].getsockname()[1], key, server)
    finally:
        server.should_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await serving
