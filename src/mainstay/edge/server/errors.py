"""Errors as clients see them: one table from kinds to statuses, and OpenAI's body."""

from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.kernel.errors import Kind, MainstayError

log = structlog.get_logger(__name__)

STATUSES: Final[dict[Kind, tuple[int, str]]] = {
    "invalid": (400, "invalid_request_error"),
    "unauthenticated": (401, "invalid_request_error"),
    "denied": (403, "permission_error"),
    "not_found": (404, "invalid_request_error"),
    "conflict": (409, "conflict_error"),
    "exhausted": (429, "rate_limit_error"),
    "unavailable": (503, "service_unavailable_error"),
}
RETRY_AFTER_S = "2"


def error_body(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, object]:
    """Return the body OpenAI's clients read: `error` with message, type, param and code."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def install_error_handlers(app: FastAPI) -> None:
    """Teach the app to answer every error in the one shape."""
    app.add_exception_handler(MainstayError, known)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, refused_by_http)


async def known(request: Request, error: Exception) -> JSONResponse:
    """Answer an error of ours by its kind; a denial is audited."""
    assert isinstance(error, MainstayError)  # noqa: S101  (narrows what the table of handlers promises)
    status, kind = STATUSES[error.kind]
    caller: Caller | None = getattr(request.state, "caller", None)
    if error.kind == "denied" and caller is not None:
        await _audit_denial(request, caller, error.code)
    headers = {"retry-after": RETRY_AFTER_S} if status in (429, 503) else None
    body = error_body(error.message, kind, param=error.param, code=error.code)
    return JSONResponse(body, status_code=status, headers=headers)


async def _audit_denial(request: Request, caller: Caller, code: str) -> None:
    route = request.scope.get("route")
    async with request.app.state.database.write(caller.scope) as tx:
        facts = {"method": request.method, "route": getattr(route, "path", ""), "role": caller.role, "code": code}
        await audit.record(tx, "access.deny", outcome="denied", facts=facts)


async def _unreadable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (as above)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    message = f"{place or 'The body'}: {first['msg']}."
    return JSONResponse(
        error_body(message, "invalid_request_error", param=place or None, code="invalid_request"), status_code=400
    )


async def refused_by_http(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses: an unknown route or method, a body that is too large or cannot be read."""
    assert isinstance(error, HTTPException)  # noqa: S101  (as above)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no route {request.method} {request.url.path}."
    return JSONResponse(
        error_body(message, "invalid_request_error", code=getattr(error, "code", "http_error")),
        status_code=error.status_code,
        headers=dict(error.headers) if error.headers else None,
    )


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer what nobody foresaw; the log tells what it was, under the id that the client is given."""
    log.error("request_failed", error=type(error).__name__, path=request.url.path, exc_info=error)
    message = f"Something failed here; the request id is {request.state.request_id}."
    return JSONResponse(error_body(message, "server_error", code="internal"), status_code=500)
