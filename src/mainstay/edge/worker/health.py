"""Whether this worker lives, whether it takes jobs, and its metrics: three pages over a listener that is that small.

A web framework would be most of what a worker imports. Whoever asks has a few seconds, and gets one answer.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mainstay.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

# A probe sends some hundred bytes at once.
REQUEST_BYTES_MAX = 8_192
REQUEST_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 32

Missing = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class HealthAddress:
    """Where the probes are answered; only this machine sees a loopback address."""

    host: str
    port: int


@dataclass(frozen=True)
class _Page:
    status: str
    body: bytes
    media_type: str = "application/json"


class Health:
    """Answers the probes. A process whose loop stands still answers nothing, which probes take for dead as well."""

    def __init__(self, *, beats_within_s: float, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._request_timeout_s = request_timeout_s
        self._beats_within_s = beats_within_s
        self._last_beat: float | None = None
        self._missing: Missing = _starting
        self._connections = 0

    def beat(self) -> None:
        """Note a heartbeat of the worker."""
        self._last_beat = time.monotonic()

    def watch(self, missing: Missing) -> None:
        """Be ready when `missing` names nothing."""
        self._missing = missing

    @asynccontextmanager
    async def listening(self, address: HealthAddress) -> AsyncGenerator[None]:
        """Answer until the block ends; raises Unavailable when the port cannot be had."""
        try:
            server = await asyncio.start_server(self._serve, address.host, address.port, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise Unavailable(
                f"The worker cannot listen on {address.host}:{address.port} ({error.strerror}): choose another"
                " --health-port."
            ) from error
        log.info("worker.probes", host=address.host, port=address.port)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= CONNECTIONS_MAX:
                async with asyncio.timeout(self._request_timeout_s):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_response(await self._page(head.split(b"\r\n", 1)[0])))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Whoever asked has left, or never asked: nobody waits for an answer.
            log.debug("worker.probe_unanswered")
        finally:
            self._connections -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _page(self, request_line: bytes) -> _Page:
        method, _, rest = request_line.partition(b" ")
        if method != b"GET":
            return _Page("405 Method Not Allowed", _json({"error": "Only GET is answered here."}))
        match rest.split(b" ", 1)[0].split(b"?", 1)[0]:
            case b"/healthz":
                return self._alive()
            case b"/readyz":
                return await self._ready()
            case b"/metrics":
                return _Page("200 OK", generate_latest(), CONTENT_TYPE_LATEST)
            case _:
                return _Page("404 Not Found", _json({"error": "There are /healthz, /readyz and /metrics."}))

    def _alive(self) -> _Page:
        silent_s = time.monotonic() - self._last_beat if self._last_beat is not None else 0.0
        if silent_s > self._beats_within_s:
            return _Page("503 Service Unavailable", _json({"status": "stalled", "silent_s": round(silent_s, 1)}))
        return _Page("200 OK", _json({"status": "alive"}))

    async def _ready(self) -> _Page:
        missing = await self._missing()
        if missing:
            return _Page("503 Service Unavailable", _json({"status": "not ready", "missing": dict(missing)}))
        return _Page("200 OK", _json({"status": "ready"}))


async def _starting() -> Mapping[str, str]:
    return {"start": "It is still starting: it waits for the database or its migrations."}


def _json(value: object) -> bytes:
    return orjson.dumps(value)


def _response(page: _Page) -> bytes:
    head = (
        f"HTTP/1.1 {page.status}\r\ncontent-type: {page.media_type}\r\ncontent-length: {len(page.body)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + page.body
