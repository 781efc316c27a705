"""The door as routes use it: proves the key of a request and checks one permission."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request

from mainstay.control.access import service
from mainstay.control.access.models import Caller, Permission


def permitted(permission: Permission) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency that yields the caller of a request if its role includes `permission`."""

    async def caller(request: Request) -> Caller:
        proved = await service.authenticate(
            request.app.state.database, bearer(request), request_id=request.state.request_id
        )
        # Kept for the error handler, which audits a denial in the name of whoever was denied.
        request.state.caller = proved
        # Limits come above this slice in the order of imports, so the application hands its admission in.
        await request.app.state.admit(request, proved)
        structlog.contextvars.bind_contextvars(tenant_id=str(proved.tenant_id), principal_id=str(proved.principal_id))
        service.require(proved, permission)
        return proved

    return caller


def bearer(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer …`, or None."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
