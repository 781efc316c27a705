"""Every limit of a request and of a connection, over real sockets: what is beyond is refused in the one shape."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from mainstay.edge.server.limits import EdgeLimits
from mainstay.platform.postgres import Database
from tests.support.edge import Edge, make_key, read_reply, running_edge
from tests.support.tenants import make_tenant

LIMITS = EdgeLimits(
    upload_bytes_max=2**20,
    headers_timeout_s=0.4,
    body_timeout_s=1.5,
    body_patience_s=0.4,
    request_timeout_s=3.0,
    keep_alive_idle_s=0.5,
    response_stall_s=0.6,
    linger_s=0.4,
    connections_max=12,
    refused_connections_max=4,
    upload_room_bytes=3 * 2**19,
    room_wait_s=0.3,
)
JSON = b"Content-Type: application/json"
FORM = b"Content-Type: multipart/form-data; boundary=x"
# The longest that a server with these limits may take to end any connection, twice its look at them included.
GONE_S = 8.0


@pytest.fixture(scope="module")
async def edge(database: Database, owner_database: Database) -> AsyncIterator[Edge]:
    key = await make_key(owner_database, await make_tenant(owner_database))
    async with running_edge(database, key, LIMITS) as running:
        yield running


def part(name: str, data: bytes = b"a", filename: str = "") -> bytes:
    shown = f'; filename="{filename}"' if filename else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + data + b"\r\n"


HEADS: dict[str, tuple[bytes, int, str]] = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed_request"),
    "http2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed_request"),
    "no url": (b"GET HTTP/1.1\r\n\r\n", 400, "malformed_request"),
    "authority": (b"CONNECT a:b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "two lengths": (
        b"POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        400,
        "malformed_request",
    ),
    "length and chunks": (
        b"POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "malformed_request",
    ),
    "negative length": (b"POST /v1/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request"),
    "long url": (b"GET /" + b"a" * LIMITS.url_bytes_max + b" HTTP/1.1\r\n\r\n", 414, "url_too_long"),
    "long url without end": (b"GET /" + b"a" * (LIMITS.url_bytes_max + 1), 414, "url_too_long"),
    "large header": (b"GET / HTTP/1.1\r\nA: " + b"a" * LIMITS.header_bytes_max + b"\r\n\r\n", 431, "headers_too_large"),
    "header without end": (b"GET / HTTP/1.1\r\nA: " + b"a" * 65536, 431, "headers_too_large"),
    "large headers": (
        b"GET / HTTP/1.1\r\n" + (b"A: " + b"a" * 1024 + b"\r\n") * 17 + b"\r\n",
        431,
        "headers_too_large",
    ),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
}


@pytest.mark.parametrize("name", HEADS)
async def test_head_that_is_no_request_is_refused(edge: Edge, name: str) -> None:
    sent, status, code = HEADS[name]
    reply = await edge.send(sent)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert reply.headers["connection"] == "close"


async def test_head_just_within_its_limits_is_taken(edge: Edge) -> None:
    many = [b"A%d: a" % number for number in range(LIMITS.headers_max - 2)]
    assert (await edge.send(edge.head("GET", "/healthz", *many))).status == 200
    large = b"A: " + b"a" * (LIMITS.header_bytes_max - 512)
    address = "/healthz?" + "a" * (LIMITS.url_bytes_max - 64)
    assert (await edge.send(edge.head("GET", address, large))).status == 200


async def _gone_after(reader: asyncio.StreamReader) -> float:
    """Return the seconds until the server has ended a connection."""
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(GONE_S):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
    return asyncio.get_running_loop().time() - started


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nA: b\r\n", b"\r\n\r\n"])
async def test_head_that_does_not_come_is_refused_at_its_deadline(edge: Edge, sent: bytes) -> None:
    async with edge.connection() as (reader, writer):
        writer.write(sent)
        started = asyncio.get_running_loop().time()
        reply = await read_reply(reader)
        assert asyncio.get_running_loop().time() - started >= LIMITS.headers_timeout_s
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")
        assert await _gone_after(reader) < GONE_S


async def test_header_that_comes_byte_by_byte_is_refused_at_the_same_deadline(edge: Edge) -> None:
    async with edge.connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nA: ")
        reply = asyncio.create_task(read_reply(reader))
        while not reply.done():
            writer.write(b"a")
            await asyncio.wait([reply], timeout=0.02)
        assert (await reply).status == 408


@pytest.mark.parametrize(
    ("head", "sent"),
    [
        (("POST", "/v1/echo", JSON, b"Content-Length: 100"), b'{"a": '),
        (("POST", "/v1/echo", JSON, b"Transfer-Encoding: chunked"), b"1\r\n{\r\n"),
        (("POST", "/v1/files", FORM, b"Content-Length: 100000"), part("file", b"a" * 5000, "a")),
    ],
    ids=["json", "chunked", "upload"],
)
async def test_body_that_stalls_is_refused_when_patience_ends(
    edge: Edge, head: tuple[str, str, bytes, bytes], sent: bytes
) -> None:
    async with edge.connection() as (reader, writer):
        writer.write(edge.head(*head) + sent)
        reply = await read_reply(reader)
        assert (reply.status, reply.error["code"]) == (408, "request_timeout")
        assert reply.headers["connection"] == "close"
        assert await _gone_after(reader) < GONE_S


@pytest.mark.parametrize(("bytes_per_s", "status"), [(4 * 1024, 408), (32 * 1024, 200)])
async def test_body_slower_than_the_floor_is_refused_and_a_faster_one_taken(
    edge: Edge, bytes_per_s: int, status: int
) -> None:
    body = b'{"a": "' + b"a" * 32 * 1024 + b'"}'
    async with edge.connection() as (reader, writer):
        writer.write(edge.head("POST", "/v1/echo", JSON, b"Content-Length: %d" % len(body)))
        reply = asyncio.create_task(read_reply(reader))
        for start in range(0, len(body), bytes_per_s // 20):
            writer.write(body[start : start + bytes_per_s // 20])
            await asyncio.wait([reply], timeout=1 / 20)
        assert (await reply).status == status


async def test_body_just_above_the_floor_is_refused_when_its_time_ends(edge: Edge) -> None:
    body = b'{"a": "' + b"a" * 128 * 1024 + b'"}'
    async with edge.connection() as (reader, writer):
        writer.write(edge.head("POST", "/v1/echo", JSON, b"Content-Length: %d" % len(body)))
        reply = asyncio.create_task(read_reply(reader))
        for start in range(0, len(body), 1200):
            if not reply.done():
                writer.write(body[start : start + 1200])
                await asyncio.wait([reply], timeout=1 / 20)
        assert (await reply).status == 408


async def test_body_over_its_limit_is_refused_before_it_is_sent(edge: Edge) -> None:
    for path, kind, limit in (("/v1/echo", JSON, 2**20), ("/v1/files", FORM, LIMITS.multipart_bytes_max)):
        reply = await edge.send(edge.head("POST", path, kind, b"Content-Length: %d" % (limit + 1)))
        assert (reply.status, reply.error["code"]) == (413, "body_too_large")
        assert str(limit) in reply.error["message"]


async def test_what_is_open_to_everyone_takes_no_large_body(edge: Edge) -> None:
    large = b"Content-Length: %d" % (LIMITS.public_bytes_max + 1)
    reply = await edge.send(edge.head("GET", "/healthz", JSON, large))
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("host", [b"[", b"[::1", b"a:b:c", b"\xff", b""])
async def test_host_that_is_no_host_is_no_fault_of_ours(edge: Edge, host: bytes) -> None:
    for path in (b"/v1/unknown", b"/healthz", b"/"):
        head = b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + edge.authorization + b"\r\n"
        assert (await edge.send(head)).status in (200, 404)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/echo", FORM), ("/v1/echo", b"Content-Type: text/plain"), ("/v1/files", JSON), ("/v1/echo", b"A: b")],
)
async def test_body_of_another_kind_is_refused(edge: Edge, path: str, kind: bytes) -> None:
    reply = await edge.send(edge.head("POST", path, kind, b"Content-Length: 2"), b"{}")
    assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("parts", "status"), [(16, 200), (17, 400), (5000, 400)])
async def test_form_has_a_limited_number_of_parts(edge: Edge, parts: int, status: int) -> None:
    form = b"".join([part("a")] * (parts - 1)) + part("file", b"abc", "a.txt") + b"--x--\r\n"
    head = edge.head("POST", "/v1/files", FORM, b"Content-Length: %d" % len(form))
    # In pieces that cut the boundaries in two.
    reply = await edge.send(head, *(form[start : start + 7001] for start in range(0, len(form), 7001)))
    assert reply.status == status
    if status == 400:
        assert "more than 16 parts" in reply.error["message"]


async def test_uploads_beyond_the_room_wait_for_it_and_are_refused_with_a_hint(edge: Edge) -> None:
    head = edge.head("POST", "/v1/files", FORM, b"Content-Length: %d" % LIMITS.upload_bytes_max)
    asking = edge.head(
        "POST", "/v1/files", FORM, b"Content-Length: %d" % LIMITS.upload_bytes_max, b"Expect: 100-continue"
    )
    async with edge.connection() as (answers, holding):
        holding.write(asking)
        # It is told to go on once it has its room.
        assert b"100 Continue" in await answers.readuntil(b"\r\n\r\n")
        holding.write(part("file", b"a", "a")[:-2])
        refused = await edge.send(head, part("file", b"a" * 70_000, "a"))
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) > 0
    # Whoever held the room has left, and it is free again.
    form = part("file", b"a" * 100_000, "a.txt") + b"--x--\r\n"
    taken = await edge.send(edge.head("POST", "/v1/files", FORM, b"Content-Length: %d" % len(form)), form)
    assert taken.status == 200


async def test_work_that_takes_too_long_is_ended(edge: Edge) -> None:
    reply = await edge.send(edge.head("GET", "/v1/never"))
    assert (reply.status, reply.error["code"]) == (503, "request_too_long")
    assert int(reply.headers["retry-after"]) > 0


async def test_connection_on_which_nothing_is_asked_is_ended(edge: Edge) -> None:
    async with edge.connection() as (reader, writer):
        writer.write(edge.head("POST", "/v1/echo", JSON, b"Content-Length: 2") + b"{}")
        assert (await read_reply(reader)).status == 200
        assert await _gone_after(reader) >= LIMITS.keep_alive_idle_s - 0.1


async def test_receiver_that_never_reads_is_cut_and_one_that_reads_gets_all(edge: Edge) -> None:
    head = edge.head("GET", "/v1/large/400")
    async with edge.connection() as (reader, writer), edge.connection() as (other, asking):
        reader._limit = 1  # Nothing is taken from the socket beyond twice this.
        writer.write(head)
        asking.write(head)
        seen = sum([len(piece) async for piece in _pieces(other)])
        assert seen >= 400 * 65536
        await edge.connections_at_most(1, GONE_S)


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    tail = b""
    while not tail.endswith(b"0\r\n\r\n"):
        piece = await reader.read(2**20)
        assert piece, "the response ended early"
        tail = (tail + piece)[-5:]
        yield piece


async def test_connections_beyond_the_limit_are_told_to_come_again(edge: Edge) -> None:
    await edge.connections_at_most(0, GONE_S)
    opened = [await asyncio.open_connection("127.0.0.1", edge.port) for _ in range(LIMITS.connections_max + 1)]
    try:
        reply = await read_reply(opened[-1][0])
        assert (reply.status, reply.error["code"]) == (503, "overloaded")
        assert int(reply.headers["retry-after"]) > 0
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def test_pipelined_requests_are_answered_in_order_up_to_a_limit(edge: Edge) -> None:
    one = b"".join([edge.head("POST", "/v1/echo", JSON, b"Content-Length: 10"), b'{"n": 1  }'])
    async with edge.connection() as (reader, writer):
        writer.write(one * 5)
        assert [(await read_reply(reader)).status for _ in range(5)] == [200] * 5
    async with edge.connection() as (reader, writer):
        writer.write(one * 100)
        assert await _gone_after(reader) < GONE_S


async def test_limits_are_one_frozen_set_of_positive_numbers() -> None:
    for name in EdgeLimits.__dataclass_fields__:
        assert getattr(EdgeLimits(), name) > 0, name
    with pytest.raises(AttributeError):
        EdgeLimits().json_bytes_max = 1  # type: ignore[misc]
    assert replace(EdgeLimits(), upload_bytes_max=1).multipart_bytes_max == 1 + 64 * 1024
