"""What every request passes: an id, a limit on its body, a log line, metrics, and headers that keep a browser safe."""

import re
import time
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.edge.server.errors import refused_by_http, unexpected
from mainstay.kernel.ids import new_id
from mainstay.platform.telemetry import bind_request

log = structlog.get_logger(__name__)

REQUESTS = Counter("mainstay_http_requests_total", "Requests by route and status.", ["method", "route", "status"])
SECONDS = Histogram("mainstay_http_request_seconds", "Time to the end of the response.", ["method", "route"])

_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Probes come every few seconds and say nothing.
_QUIET = {"/healthz", "/readyz", "/metrics"}
_SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


class BodyTooLarge(HTTPException):
    """More bytes came than the route takes.

    An HTTPException, because FastAPI makes a plain 400 of whatever else is raised while it reads a body.
    """

    code = "body_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(413, f"The body has more than the {bytes_max} bytes that are taken here; send less.")


class RequestContext:
    """Gives each request its id and tells of its end."""

    def __init__(self, app: ASGIApp, *, body_bytes_max: int, upload_bytes_max: int) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        # A multipart body carries boundaries and fields besides the file.
        self._upload_bytes_max = upload_bytes_max + 64 * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else f"req_{new_id().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        limit = self._upload_bytes_max if scope["path"] == "/v1/files" else self._body_bytes_max
        exchange = _Exchange(scope, receive, send, request_id, limit)
        with bind_request(request_id=request_id):
            await exchange.run(self._app, headers)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str, body_bytes_max: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._body_bytes_max = body_bytes_max
        self._body_bytes = 0
        self._status = 0
        self._started = time.perf_counter()

    async def run(self, app: ASGIApp, headers: Headers) -> None:
        request = Request(self._scope)
        declared = headers.get("content-length", "0")
        try:
            if declared.isdecimal() and int(declared) > self._body_bytes_max:
                refusal = await refused_by_http(request, BodyTooLarge(self._body_bytes_max))
                await refusal(self._scope, self.receive, self.send)
            else:
                await app(self._scope, self.receive, self.send)
        except Exception as error:
            # Answered here and not further out, so that this response too has its id, its headers and its count.
            failure = await unexpected(request, error)
            if self._status:
                raise
            await failure(self._scope, self.receive, self.send)
        finally:
            self._tell()

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_bytes += len(message.get("body", b""))
        if self._body_bytes > self._body_bytes_max and self._status == 0:
            raise BodyTooLarge(self._body_bytes_max)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    def _tell(self) -> None:
        route: Any = self._scope.get("route")
        template = getattr(route, "path", "unmatched")
        elapsed_s = time.perf_counter() - self._started
        method = self._scope["method"]
        REQUESTS.labels(method, template, self._status).inc()
        SECONDS.labels(method, template).observe(elapsed_s)
        if template not in _QUIET:
            # A client that left before the response began has the status 0.
            log.info(
                "request", method=method, route=template, status=self._status, latency_ms=round(elapsed_s * 1000, 2)
            )


__all__ = ["REQUESTS", "SECONDS", "BodyTooLarge", "RequestContext"]
