"""Errors as clients see them: one table from kinds to statuses, and OpenAI's body."""

from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mainstay.control.access.door import operation_of
from mainstay.control.access.models import Caller
from mainstay.control.audit import service as audit
from mainstay.edge.server.refusals import RETRY_AFTER_S, Refused, error_body
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


def install_error_handlers(app: FastAPI) -> None:
    """Teach the app to answer every error in the one shape."""
    app.add_exception_handler(MainstayError, known)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _refused)


async def answer_to(request: Request, error: Exception) -> JSONResponse:
    """Answer an error that no route raised: what the edge refuses before one is chosen, or what nobody foresaw."""
    if isinstance(error, MainstayError):
        return await known(request, error)
    if isinstance(error, HTTPException):
        return await _refused(request, error)
    return await _unexpected(request, error)


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
    operation = operation_of(request) or ""
    async with request.app.state.database.write(caller.scope) as tx:
        facts = {"method": request.method, "route": operation.partition(" ")[2], "role": caller.role, "code": code}
        await audit.record(tx, "access.deny", outcome="denied", facts=facts)


async def _unreadable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (as above)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    message = f"{place or 'The body'}: {first['msg']}."
    return JSONResponse(
        error_body(message, "invalid_request_error", param=place or None, code="invalid_request"), status_code=400
    )


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Answer what the edge or the framework refuses: an unknown route or method, a body that is not taken."""
    assert isinstance(error, HTTPException)  # noqa: S101  (as above)
    if isinstance(error, Refused):
        body = error.body
    else:
        # Not `request.url`, which cannot be read where the header Host is no host.
        unknown = f"There is no route {request.method} {request.scope['path']}."
        message = unknown if error.status_code == 404 else str(error.detail)
        body = error_body(message, "invalid_request_error", code="http_error")
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer what nobody foresaw; the log tells what it was, under the id that the client is given."""
    log.error("request_failed", error=type(error).__name__, path=request.scope["path"], exc_info=error)
    message = f"Something failed here; the request id is {request.state.request_id}."
    return JSONResponse(error_body(message, "server_error", code="internal"), status_code=500)
