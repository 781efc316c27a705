"""What every request passes: an id, limits, a log line, metrics, and headers that keep a browser safe."""

import asyncio
import re
import time
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.edge.server.authentication import is_public
from mainstay.edge.server.bodies import UPLOAD_PATHS
from mainstay.edge.server.errors import answer_to
from mainstay.edge.server.limits import EdgeLimits
from mainstay.edge.server.receipt import BodyReceipt, has_body
from mainstay.edge.server.refusals import Refused
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


class RequestContext:
    """Gives each request its id and its limits, and tells of its end."""

    def __init__(self, app: ASGIApp, *, limits: EdgeLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else f"req_{new_id().hex}"
        receipt = _receipt(scope, headers, receive, self._limits)
        scope.setdefault("state", {}).update(request_id=request_id, receipt=receipt)
        with bind_request(request_id=request_id):
            await _Exchange(scope, send, request_id, receipt, self._limits).run(self._app, headers)


def _receipt(scope: Scope, headers: Headers, receive: Receive, limits: EdgeLimits) -> BodyReceipt:
    if scope["path"] in UPLOAD_PATHS:
        bytes_max, timeout_s = limits.multipart_bytes_max, limits.request_timeout_s
    else:
        bytes_max = limits.public_bytes_max if is_public(scope["path"]) else limits.json_bytes_max
        timeout_s = limits.body_timeout_s
    return BodyReceipt(receive, limits, bytes_max=bytes_max, timeout_s=timeout_s, expected=has_body(headers))


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, send: Send, request_id: str, receipt: BodyReceipt, limits: EdgeLimits) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self._receipt = receipt
        self._limits = limits
        self._status = 0
        self._closing = False
        self._started = time.perf_counter()

    async def run(self, app: ASGIApp, headers: Headers) -> None:
        try:
            await self._in_time(app, headers)
        except Exception as error:
            # Answered here and not further out, so that this response too has its id, its headers and its count.
            answer = await answer_to(Request(self._scope), error)
            if self._status:
                raise
            await answer(self._scope, self._receipt.receive, self.send)
        finally:
            self._tell()

    async def _in_time(self, app: ASGIApp, headers: Headers) -> None:
        self._receipt.check_declared(headers)
        deadline = asyncio.timeout(self._limits.request_timeout_s)
        try:
            async with deadline:
                await app(self._scope, self._receipt.receive, self.send)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            message = f"The request took longer than {self._limits.request_timeout_s:g} s and was ended; try again."
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "request_too_long", message) from error

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begin(message)
        elif self._closing and not message.get("more_body", False):
            # The end of the response closes the connection, so what still comes is taken first.
            await self._send({**message, "more_body": True})
            await self._receipt.discard()
            message = {"type": "http.response.body"}
        await self._send(message)

    def _begin(self, message: Message) -> None:
        self._status = message["status"]
        headers = MutableHeaders(scope=message)
        headers["x-request-id"] = self._request_id
        for name, value in _SAFE_HEADERS.items():
            headers.setdefault(name, value)
        if not self._receipt.ended:
            # Whatever is left of the body would be taken for the next request.
            headers["connection"] = "close"
            self._closing = "content-length" in headers

    def _tell(self) -> None:
        # What is refused before the router chose a route has its template by the operation that was asked for.
        operation: str | None = self._scope["state"].get("operation")
        route: Any = self._scope.get("route")
        template = operation.partition(" ")[2] if operation else getattr(route, "path", "unmatched")
        elapsed_s = time.perf_counter() - self._started
        method = self._scope["method"]
        REQUESTS.labels(method, template, self._status).inc()
        SECONDS.labels(method, template).observe(elapsed_s)
        if template not in _QUIET:
            # A client that left before the response began has the status 0.
            log.info(
                "request", method=method, route=template, status=self._status, latency_ms=round(elapsed_s * 1000, 2)
            )


__all__ = ["REQUESTS", "SECONDS", "RequestContext"]
