"""A database as maintenance opens it: a few connections, for the length of one command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from mainstay.config import Settings
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database, PoolLimits, Scope, ScopeKey, load_scope_key

_LIMITS = PoolLimits(connections_max=2)


def scope_key_of(settings: Settings) -> ScopeKey:
    """Return the key that signs scopes; raises InvalidScopeKey where there is none."""
    given = settings.scope_key.get_secret_value() if settings.scope_key else None
    return load_scope_key(given, settings.scope_key_file)


def maintenance_scope(tenant_id: UUID) -> Scope:
    """Return the scope of a task in a tenant; its principal is the task itself."""
    return Scope(tenant_id, new_id(), sees_all=True, request_id=f"cli_{new_id().hex}")


@asynccontextmanager
async def open_database(settings: Settings, url: str, *, as_owner: bool = True) -> AsyncGenerator[Database]:
    """Open the database at `url` until the block ends."""
    key = scope_key_of(settings)
    database = await Database.connect(url, _LIMITS, scope_key=key, application="mainstay-maintain", as_owner=as_owner)
    try:
        yield database
    finally:
        await database.close()
