"""The door as routes use it: proves the key of a request, and that it may do the operation that was asked for."""

from typing import Annotated

import structlog
from fastapi import Depends, Request

from mainstay.control.access import service
from mainstay.control.access.models import Caller


async def prove(request: Request) -> Caller:
    """Return who asks; raises InvalidKey. Reads the head of the request alone, so it can come before the body."""
    caller = await service.authenticate(
        request.app.state.database,
        bearer(request),
        request_id=request.state.request_id,
        tenant=request.headers.get(service.TENANT_HEADER),
    )
    # Kept for the routes, and for the error handler, which audits a denial in the name of whoever was denied.
    request.state.caller = caller
    structlog.contextvars.bind_contextvars(tenant_id=str(caller.tenant_id), principal_id=str(caller.principal_id))
    return caller


async def permitted(request: Request) -> Caller:
    """Return the caller, as it was proved, if its role and key include what the declared table asks for its route."""
    caller: Caller = request.state.caller
    service.authorise(caller, operation_of(request), request.app.state.declared)
    return caller


def operation_of(request: Request) -> str:
    """Return the operation that a request asks for, by its name in the declared table."""
    return f"{request.method} {request.scope['route'].path_format}"


# What each route that is not public declares: its caller, known and permitted.
Permitted = Annotated[Caller, Depends(permitted)]


def bearer(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer …`, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
