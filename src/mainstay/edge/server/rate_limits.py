"""Limits on requests at the edge: who is let in, and the headers that tell a client how its limits stand.

The headers are OpenAI's (`x-ratelimit-…-requests`, of the quota that ends first), those of the IETF's draft
draft-ietf-httpapi-ratelimit-headers-11 (`RateLimit-Policy` and `RateLimit`, of every quota), and `Retry-After`.
"""

import math
from collections.abc import Iterator

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mainstay.control.access.door import bearer
from mainstay.control.access.models import Caller
from mainstay.control.limits.admission import Admission
from mainstay.control.limits.errors import RateLimited
from mainstay.control.limits.models import Quota, Standing
from mainstay.edge.server.errors import answer_to
from mainstay.kernel.errors import MainstayError

# Asks nothing and may come from every part of the machine that runs us.
_FREE = "/healthz"
# The official clients wait for up to a minute when told to, and else try again at once; a cap of an hour stops them.
_PATIENCE_S = 60.0


async def admit(request: Request, caller: Caller) -> None:
    """Count a request whose key was proved, before its body is read and permissions are looked at."""
    admission: Admission = request.app.state.admission
    try:
        request.state.standing = await admission.admit(bearer(request) or "", caller)
    except RateLimited as refused:
        request.state.standing = refused.standing
        raise


class RequestLimits:
    """Refuses a flood before it costs the database anything, and writes the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"] == _FREE:
            await self._app(scope, receive, send)
            return
        admission: Admission = scope["app"].state.admission
        request = Request(scope)
        key = bearer(request)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if key is not None and message["status"] == 401:
                    admission.forget(key)
                standing: Standing | None = scope["state"].get("standing")
                if standing is not None:
                    headers = MutableHeaders(scope=message)
                    for name, value in headers_of(standing):
                        headers[name] = value
            await send(message)

        try:
            await admission.arrive(key, request.client.host if request.client else "")
            await self._app(scope, receive, send_with_headers)
        except (MainstayError, HTTPException) as refused:
            # Answered here, so that what is refused before a route is chosen has the headers too.
            if started:
                raise
            if isinstance(refused, RateLimited):
                scope["state"]["standing"] = refused.standing
            response = await answer_to(request, refused)
            await response(scope, receive, send_with_headers)


def headers_of(standing: Standing) -> Iterator[tuple[str, str]]:
    """Yield the headers that tell how the limits of a request stand."""
    if standing.quotas:
        tightest = standing.tightest
        yield "x-ratelimit-limit-requests", str(tightest.limit)
        yield "x-ratelimit-remaining-requests", str(tightest.left)
        yield "x-ratelimit-reset-requests", duration(tightest.resets_s)
        yield "ratelimit-policy", ", ".join(f"{_name(one)};q={one.limit};w={one.window_s}" for one in standing.quotas)
        yield (
            "ratelimit",
            ", ".join(f"{_name(one)};r={one.left};t={math.ceil(one.resets_s)}" for one in standing.quotas),
        )
    if standing.retry_after_s:
        yield "retry-after", str(math.ceil(standing.retry_after_s))
        yield "retry-after-ms", str(math.ceil(standing.retry_after_s * 1000))
        if standing.retry_after_s > _PATIENCE_S:
            yield "x-should-retry", "false"


def duration(seconds: float) -> str:
    """Return a time as OpenAI's headers write it: `20ms`, `1s`, `6m0s`, `1h0m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + f"{rest}s"


def _name(quota: Quota) -> str:
    return f'"{quota.subject.kind}-{quota.window}"'
