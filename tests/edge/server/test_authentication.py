"""Who has no key, or may not, gets no further than the head: no byte of a body is read, and none of it is kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from mainstay.control.access.operations import DECLARED
from mainstay.edge.server.authentication import PUBLIC_PATHS, is_public
from mainstay.edge.server.limits import EdgeLimits
from mainstay.platform.postgres import Database
from tests.support.edge import Edge, make_key, running_edge
from tests.support.system import TestSystem
from tests.support.tenants import make_tenant

WRONG = [
    b"",
    b"Bearer",
    b"Bearer sk-wrong",
    b"Basic YTpi",
    b"Bearer ms_" + b"0" * 12 + b"_" + b"a" * 43,
    b"Bearer \xe9",
]
FORM = b"Content-Type: multipart/form-data; boundary=x"

later = APIRouter()


@later.post("/added/later")
async def added_later(body: dict[str, Any]) -> dict[str, Any]:
    """A route whose author thought of no key."""
    return body


@pytest.fixture(scope="module")
async def edge(database: Database, owner_database: Database) -> AsyncIterator[Edge]:
    key = await make_key(owner_database, await make_tenant(owner_database))
    async with running_edge(database, key, EdgeLimits(linger_s=0.3), [later]) as running:
        yield running


@pytest.fixture(scope="module")
async def narrow(owner_database: Database) -> bytes:
    """A key that is one, and may do nothing of what the routes of this module ask for."""
    key = await make_key(owner_database, await make_tenant(owner_database), scopes=["usage.read"])
    return b"Bearer " + key.encode()


async def _called(app: FastAPI, method: str, path: str, authorization: bytes) -> tuple[int, int]:
    """Call the app as a server does; return the status and how often it asked for the body before it answered."""
    asked, statuses = 0, list[int]()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += not statuses
        gone = asked > 1 or statuses
        return {"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "server": ("edge", 80), "client": ("edge", 1)}
    await app({**scope, "headers": [*headers, (b"authorization", authorization)]}, receive, send)
    return statuses[0], asked


def _app_of(edge: Edge) -> FastAPI:
    return edge.server.config.app  # type: ignore[return-value]


def _guarded(app: FastAPI) -> list[tuple[str, str]]:
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    routes = [(method.upper(), path) for path, item in paths.items() for method in item if not is_public(path)]
    assert ("POST", "/added/later") in routes
    assert len(routes) >= 5
    return routes


@pytest.mark.parametrize("authorization", WRONG)
async def test_no_route_asks_for_the_body_of_a_stranger(edge: Edge, authorization: bytes) -> None:
    app = _app_of(edge)
    routes = _guarded(app)
    for method, path in [*routes, ("POST", "/v1/unknown"), ("DELETE", "/openapi.json/x")]:
        assert await _called(app, method, path, authorization) == (401, 0), (method, path)


async def test_no_route_asks_for_the_body_of_whoever_may_not(edge: Edge, narrow: bytes) -> None:
    app = _app_of(edge)
    for method, path in _guarded(app):
        assert await _called(app, method, path, narrow) == (403, 0), (method, path)


async def test_body_that_no_route_takes_is_not_asked_for(edge: Edge) -> None:
    app, key = _app_of(edge), b"Bearer " + edge.key.encode()
    for method, path, status in (("POST", "/v1/unknown", 404), ("PUT", "/v1/echo", 405), ("POST", "/v1/files/", 404)):
        assert await _called(app, method, path, key) == (status, 0), (method, path)


async def test_with_a_key_the_body_is_asked_for(edge: Edge) -> None:
    status, asked = await _called(_app_of(edge), "POST", "/v1/echo", b"Bearer " + edge.key.encode())
    assert asked > 0
    assert status != 401


async def test_every_route_of_the_product_needs_a_key_unless_it_is_declared_public(system: TestSystem) -> None:
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as http:
        paths: dict[str, dict[str, Any]] = (await http.get("/openapi.json")).json()["paths"]
        tried = 0
        for path, item in paths.items():
            for method in item:
                refused = await http.request(method, path.replace("{", "").replace("}", ""), json={})
                assert (refused.status_code == 401) != (path in PUBLIC_PATHS), (method, path)
                tried += 1
    assert tried >= 20


async def test_upload_of_a_stranger_is_refused_while_it_is_being_sent_and_leaves_nothing(edge: Edge) -> None:
    assert b" 401 " in await _refused_upload(edge, b"Bearer sk-wrong")


async def test_upload_of_whoever_may_not_is_refused_while_it_is_being_sent_and_leaves_nothing(
    edge: Edge, narrow: bytes
) -> None:
    assert b" 403 " in await _refused_upload(edge, narrow)


async def _refused_upload(edge: Edge, authorization: bytes) -> bytes:
    """Send an upload until it is refused; return the line with the status."""
    before = _unlinked_files()
    async with edge.connection() as (reader, writer):
        writer.write(b"POST /v1/files HTTP/1.1\r\nHost: edge\r\n" + FORM + b"\r\nContent-Length: 52000000\r\n")
        writer.write(b"Authorization: " + authorization + b"\r\n\r\n")
        writer.write(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
        sent = 0
        refused = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        while not refused.done():
            writer.write(b"a" * 65536)
            sent += 65536
            assert sent < 2**23, "eight MiB went by without an answer"
            await asyncio.wait([refused], timeout=0.001)
        assert b"connection: close" in await refused
        assert _unlinked_files() == before
        async with asyncio.timeout(5):
            while await reader.read(65536):
                pass
        return (await refused).split(b"\r\n")[0]


def _unlinked_files() -> set[str]:
    """Return the temporary files that this process holds open: where uploads are spooled."""
    names = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return {name for name in names if name.endswith("(deleted)")}


async def test_upload_with_a_key_is_spooled_where_the_test_above_looks(edge: Edge) -> None:
    before = _unlinked_files()
    head = edge.head("POST", "/v1/files", FORM, b"Content-Length: 5000000")
    async with edge.connection() as (_, writer):
        writer.write(head + b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"a" * 2**22)
        async with asyncio.timeout(5):
            while _unlinked_files() == before:  # noqa: ASYNC110  (a file tells in no other way)
                await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        while _unlinked_files() != before:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)


async def test_stranger_who_asks_first_is_not_told_to_go_on(edge: Edge) -> None:
    head = b"POST /v1/files HTTP/1.1\r\nHost: edge\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n" + FORM
    reply = await edge.send(head + b"\r\n\r\n")
    assert reply.status == 401
    assert reply.error["code"] == "invalid_api_key"


async def test_who_may_not_is_told_so_before_it_sends_anything(system: TestSystem) -> None:
    """A body is announced and not sent, and what would be wrong with it is not looked at."""
    staff = await system.member("owner")
    made = await staff.call("POST", "/v1/keys", json={"name": "narrow", "scopes": ["owners.manage"]})
    edge = Edge(urlsplit(system.address).port or 0, made["key"])
    sending = [name.split() for name in DECLARED.operations if name.startswith(("POST", "PUT"))]
    for method, path in sending:
        head = edge.head(
            method, path.replace("{", "").replace("}", ""), b"Content-Type: x/y", b"Content-Length: 999999"
        )
        async with asyncio.timeout(5):
            reply = await edge.send(head)
        assert (reply.status, reply.error["code"]) == (403, "permission_denied"), (method, path)
    assert len(sending) >= 20
    rows = (await staff.call("GET", "/v1/audit?action=access.deny&limit=100"))["data"]
    assert {f"{row['facts']['method']} {row['facts']['route']}" for row in rows} == {" ".join(one) for one in sending}


async def test_who_may_not_is_counted_all_the_same(system: TestSystem) -> None:
    staff = await system.member("owner")
    made = await staff.call("POST", "/v1/keys", json={"name": "narrow", "scopes": ["owners.manage"]})
    await staff.call("PUT", f"/v1/limits/{made['id']}", json={"requests_per_hour": 3})
    edge = Edge(urlsplit(system.address).port or 0, made["key"])
    head = edge.head("POST", "/v1/files", FORM, b"Content-Length: 999999")
    assert [(await edge.send(head)).status for _ in range(5)] == [403, 403, 403, 429, 429]
