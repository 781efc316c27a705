"""A database as maintenance opens it: a few connections, for the length of one command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mainstay.config import Settings
from mainstay.platform.postgres import Database, PoolLimits, ScopeKey, load_scope_key

_LIMITS = PoolLimits(connections_max=2)


def scope_key_of(settings: Settings) -> ScopeKey:
    """Return the key that signs scopes; raises InvalidScopeKey where there is none."""
    given = settings.scope_key.get_secret_value() if settings.scope_key else None
    return load_scope_key(given, settings.scope_key_file)


@asynccontextmanager
async def open_database(settings: Settings, url: str) -> AsyncGenerator[Database]:
    """Open the database at `url` until the block ends."""
    database = await Database.connect(url, _LIMITS, scope_key=scope_key_of(settings), application="mainstay-maintain")
    try:
        yield database
    finally:
        await database.close()
