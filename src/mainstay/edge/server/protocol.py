"""HTTP/1.1 on one connection: uvicorn's protocol over httptools, with limits on what comes before a request is one.

What lies beyond a limit is answered in the one shape of errors too. Deadlines are kept by one look at all connections
twice a second, so that a request costs no timers.
"""

import asyncio
import struct
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, NoReturn, cast

import structlog
import uvicorn
from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.refusals import Refused, busy, too_slow
from mainstay.kernel.ids import new_id

log = structlog.get_logger(__name__)

REFUSED = Counter("mainstay_http_refused_total", "What came to no request, by status.", ["status"])
CUT = Counter("mainstay_http_connections_cut_total", "Connections cut at a deadline, by reason.", ["reason"])

_RESET = struct.pack("ii", 1, 0)

MALFORMED = Refused(
    HTTPStatus.BAD_REQUEST, "malformed_request", "This is no HTTP/1.1 request; see RFC 9112 or use a client library."
)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, limits: EdgeLimits, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        # Since when a head is waited for, since when the client takes nothing of a response, and when it was refused.
        self._waiting_since: float | None = None
        self._stalled_since: float | None = None
        self._refused_at: float | None = None
        self._unsent = 0
        self._in_head = False
        self._head_bytes = 0
        self._header_bytes = 0
        self._refusal: Refused | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request, or turn the client away where too many are here."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._waiting_since = self.loop.time()
        surplus = len(self.connections) - self._limits.connections_max
        if surplus > self._limits.refused_connections_max:
            self._cut("surplus")
        elif surplus > 0:
            self._refuse(busy(f"{self._limits.connections_max} connections are open; try again in a moment."))

    def data_received(self, data: bytes) -> None:
        """Read on; what a refused client still sends is thrown away."""
        if self._refused_at is not None:
            return
        unanswered = self._unanswered()
        if self._waiting_since is None and unanswered is None:
            self._waiting_since = self.loop.time()
        begins_with_head = unanswered is None or not unanswered.more_body
        super().data_received(data)
        if self._in_head and begins_with_head:
            # A header that does not end would otherwise grow until the deadline.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.url_bytes_max + self._limits.header_bytes_max:
                self._refuse(self._headers_too_large())

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes_max:
            sentence = f"The address has more than {self._limits.url_bytes_max} bytes; shorten it."
            self._fail(Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "url_too_long", sentence))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self._limits.header_bytes_max or len(self.headers) > self._limits.headers_max:
            self._fail(self._headers_too_large())

    def on_headers_complete(self) -> None:
        """Begin a request."""
        if len(self.pipeline) >= self._limits.pipelined_requests_max:
            self._fail(busy(f"More than {self._limits.pipelined_requests_max} requests wait on this connection."))
        super().on_headers_complete()
        self._in_head = False
        self._waiting_since = None

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused, or one of the callbacks above, in the shape of every other error."""
        self._refuse(self._refusal or MALFORMED)

    def keep_deadlines(self, now: float) -> None:
        """Refuse or cut a client whose time has run out."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        self._unsent = unsent
        if _over(self._stalled_since, self._limits.response_stall_s, now):
            self._cut("stalled")
        elif _over(self._refused_at, self._limits.linger_s, now):
            self._cut("refused")
        elif _over(self._waiting_since, self._limits.headers_timeout_s, now):
            self._refuse(too_slow("head of the request", self._limits.headers_timeout_s))

    def _unanswered(self) -> RequestResponseCycle | None:
        """Return the newest request unless it was answered to the end, or none has come yet."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _headers_too_large(self) -> Refused:
        limits = self._limits
        sentence = (
            f"The headers have more than {limits.header_bytes_max} bytes or are more than {limits.headers_max};"
            " send fewer or shorter ones."
        )
        return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", sentence)

    def _fail(self, refusal: Refused) -> NoReturn:
        """Leave the parser, which hands every error of a callback to `send_400_response`."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: Refused) -> None:
        """Say why and read no more; the connection ends when the client has read it, or a moment later."""
        if self._refused_at is not None or self.transport.is_closing():
            return
        self._refused_at = self.loop.time()
        self._waiting_since = None
        REFUSED.labels(refusal.status_code).inc()
        request_id = f"req_{new_id().hex}"
        log.info("refused", request_id=request_id, status=refusal.status_code, code=refusal.code)
        if unanswered := self._unanswered():
            # What was being received comes to no end, and its task must not answer after us.
            unanswered.disconnected = True
            unanswered.message_event.set()
            if self._in_head or self.pipeline or unanswered.response_started:
                # A response to another request is due or under way, into which nothing can be written.
                self.transport.close()
                return
        self.transport.write(refusal.encode(request_id))
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _cut(self, reason: str) -> None:
        CUT.labels(reason).inc()
        # With a reset: the system would otherwise keep what was not taken, and offer it for a quarter of an hour.
        socket = self.transport.get_extra_info("socket")
        if socket is not None:
            socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
        self.transport.abort()


def _over(since: float | None, allowed_s: float, now: float) -> bool:
    return since is not None and now - since > allowed_s


class LimitedServer(uvicorn.Server):
    """uvicorn, looking after the deadlines of its connections."""

    async def on_tick(self, counter: int) -> bool:
        """Look at every connection twice a second; uvicorn calls ten times as often as that."""
        if counter % 5 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, LimitedProtocol):
                    connection.keep_deadlines(now)
        return await super().on_tick(counter)
