"""The door: proves the key of a request, and that it may do the operation that it asks for, before its body is read."""

from typing import Annotated

import structlog
from fastapi import Depends, Request

from mainstay.control.access import service
from mainstay.control.access.models import Caller
from mainstay.kernel.errors import invariant


async def prove(request: Request) -> Caller:
    """Return who asks; raises InvalidKey. Reads the head of the request alone, so it can come before the body."""
    caller = await service.authenticate(
        request.app.state.database,
        bearer(request),
        request_id=request.state.request_id,
        tenant=request.headers.get(service.TENANT_HEADER),
        declared=request.app.state.declared,
    )
    # Kept for the routes, and for the error handler, which audits a denial in the name of whoever was denied.
    request.state.caller = caller
    structlog.contextvars.bind_contextvars(tenant_id=str(caller.tenant_id), principal_id=str(caller.principal_id))
    return caller


def permit(request: Request, operation: str | None) -> None:
    """Raise PermissionDenied unless the caller's role and key include what the declared table asks for `operation`.

    None is of a request that no route answers. Reads the head of the request alone, as `prove` does.
    """
    request.state.operation = operation
    if operation is not None:
        service.authorise(request.state.caller, operation)


async def permitted(request: Request) -> Caller:
    """Return the caller, whose permission was proved before the body was read, for the operation that now runs."""
    proved, runs = operation_of(request), f"{request.method} {request.scope['route'].path_format}"
    invariant(proved == runs, f"the permission of '{proved}' was proved, and '{runs}' runs: its route was not found")
    return request.state.caller


def operation_of(request: Request) -> str | None:
    """Return the operation that a request asks for, by its name in the declared table; None before it is known."""
    return getattr(request.state, "operation", None)


# What each route that is not public declares: its caller, known and permitted.
Permitted = Annotated[Caller, Depends(permitted)]


def bearer(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer …`, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
