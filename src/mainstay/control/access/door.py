"""The door as routes use it: proves the key of a request, and checks one permission."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request

from mainstay.control.access import service
from mainstay.control.access.models import Caller, Permission


async def prove(request: Request) -> Caller:
    """Return who asks; raises InvalidKey. Reads the head of the request alone, so it can come before the body."""
    caller = await service.authenticate(
        request.app.state.database, bearer(request), request_id=request.state.request_id
    )
    # Kept for the routes, and for the error handler, which audits a denial in the name of whoever was denied.
    request.state.caller = caller
    structlog.contextvars.bind_contextvars(tenant_id=str(caller.tenant_id), principal_id=str(caller.principal_id))
    return caller


def permitted(permission: Permission) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency that yields the caller, as it was proved, if its role includes `permission`."""

    async def caller(request: Request) -> Caller:
        proved: Caller = request.state.caller
        service.require(proved, permission)
        return proved

    return caller


def bearer(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer …`, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
