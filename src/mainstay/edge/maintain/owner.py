"""How maintenance reaches the database: as the owner of the schema, in the scope of one tenant."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database, PoolLimits, Scope

_LIMITS = PoolLimits(connections_max=2)


@asynccontextmanager
async def open_as_owner(owner_url: str) -> AsyncGenerator[Database]:
    """Open the database for one task."""
    database = await Database.connect(owner_url, _LIMITS, application="mainstay-maintain")
    try:
        yield database
    finally:
        await database.close()


def maintenance_scope(tenant_id: UUID) -> Scope:
    """Return the scope of a task in a tenant; its principal is the task itself."""
    return Scope(tenant_id, new_id(), sees_all=True, request_id=f"cli_{new_id().hex}")
