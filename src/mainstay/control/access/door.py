"""The door as routes use it: proves the key of a request, and that it may do the operation that was asked for."""

from typing import Annotated

import structlog
from fastapi import Depends, Request

from mainstay.control.access import service
from mainstay.control.access.models import Caller


async def permitted(request: Request) -> Caller:
    """Return the caller of a request whose role and key include what the declared table asks for its route."""
    proved = await service.authenticate(
        request.app.state.database,
        bearer(request),
        request_id=request.state.request_id,
        tenant=request.headers.get(service.TENANT_HEADER),
    )
    # Kept for the error handler, which audits a denial in the name of whoever was denied.
    request.state.caller = proved
    structlog.contextvars.bind_contextvars(tenant_id=str(proved.tenant_id), principal_id=str(proved.principal_id))
    service.authorise(proved, operation_of(request))
    return proved


def operation_of(request: Request) -> str:
    """Return the operation that a request asks for, by its name in the declared table."""
    return f"{request.method} {request.scope['route'].path_format}"


# What each route that is not public declares: its caller, known and permitted.
Permitted = Annotated[Caller, Depends(permitted)]


def bearer(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer …`, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
