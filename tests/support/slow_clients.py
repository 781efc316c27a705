"""Clients that keep a server waiting, each in another way, and healthy ones beside them whose latency is measured."""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from tests.support.edge import Edge, read_reply

DRIP_EVERY_S = 1.0
GONE_CHECK_EVERY_S = 0.5
TCP_ESTABLISHED = 1
# Many at once would measure how a server takes a rush; these are few at a time, and none of them leaves.
CLIENTS_PER_S = 100
JSON = b"Content-Type: application/json"
FORM = b"Content-Type: multipart/form-data; boundary=x"


async def _drip(edge: Edge, head: bytes, drip: bytes) -> float:
    """Send `head`, then `drip` now and then; return the seconds until the server has ended the connection."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with edge.connection() as (reader, writer):
        writer.write(head)
        ended = asyncio.create_task(_until_closed(reader))
        while not ended.done():
            await asyncio.wait([ended], timeout=DRIP_EVERY_S)
            writer.write(drip)
    return loop.time() - started


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        return


async def slow_head(edge: Edge) -> float:
    """Send a header that never ends."""
    return await _drip(edge, b"GET / HTTP/1.1\r\nHost: edge\r\nA: ", b"a")


async def slow_json(edge: Edge) -> float:
    """Send a JSON body, a byte at a time, with a valid key."""
    return await _drip(edge, edge.head("POST", "/v1/vector_stores", JSON, b"Content-Length: 100000") + b'{"', b"a")


async def slow_upload(edge: Edge) -> float:
    """Send a file, a byte at a time, with a valid key; what came first lies in a temporary file."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"a" * 1_200_000
    return await _drip(edge, edge.head("POST", "/v1/files", FORM, b"Content-Length: 2000000") + part, b"a")


async def half_open(edge: Edge) -> float:
    """Begin a request and say nothing more, as a client whose network has gone."""
    return await _drip(edge, b"GET / HT", b"")


async def silent(edge: Edge) -> float:
    """Connect and say nothing at all."""
    return await _drip(edge, b"", b"")


def never_reading(path: str) -> Callable[[Edge], Awaitable[float]]:
    """Return a client that asks for a large response and takes none of it."""

    async def attack(edge: Edge) -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            taken.settimeout(0)
            await loop.sock_connect(taken, ("127.0.0.1", edge.port))
            await loop.sock_sendall(taken, edge.head("GET", path))
            # Reading would tell, but would also take; the state of the connection tells without.
            while taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED:  # noqa: ASYNC110
                await asyncio.sleep(GONE_CHECK_EVERY_S)
        return loop.time() - started

    return attack


@dataclass
class Latencies:
    """How long healthy requests took, in seconds."""

    seconds: list[float] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        """Return the 95th percentile in milliseconds."""
        return quantiles(self.seconds, n=20)[-1] * 1000


async def healthy(edge: Edge, path: str, stop: asyncio.Event, clients: int) -> Latencies:
    """Ask again and again on kept connections until `stop`."""
    seen = Latencies()

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        async with edge.connection() as (reader, writer):
            while not stop.is_set():
                started = loop.time()
                writer.write(edge.head("GET", path))
                reply = await read_reply(reader)
                seen.seconds.append(loop.time() - started)
                seen.failures.extend([reply.status] if reply.status != 200 else [])
                await asyncio.sleep(0.02)

    await asyncio.gather(*(ask() for _ in range(clients)))
    return seen


async def for_a_while(edge: Edge, path: str, seconds: float, clients: int) -> Latencies:
    """Return what healthy clients see when nobody attacks."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    return await healthy(edge, path, stop, clients)


async def attack(
    edge: Edge, ways: dict[str, Callable[[Edge], Awaitable[float]]], each: int
) -> dict[str, Sequence[float]]:
    """Attack in every way with `each` clients, which come one after the other and stay as long as they can.

    Returns the seconds after which each was gone.
    """
    names = [name for _ in range(each) for name in ways]

    async def come(number: int, name: str) -> float:
        await asyncio.sleep(number / CLIENTS_PER_S)
        return await ways[name](edge)

    gone = await asyncio.gather(*(come(number, name) for number, name in enumerate(names)))
    return {name: [seconds for one, seconds in zip(names, gone, strict=True) if one == name] for name in ways}


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
