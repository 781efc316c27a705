"""Which two roles a given database is used with: one that owns the schema, and one that row security binds."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from mainstay.kernel.errors import Unavailable
from mainstay.platform.postgres.embedded import EmbeddedCluster, cluster_folder
from mainstay.platform.postgres.posture import UnsafeDatabase, require_safe_role
from mainstay.platform.processes.account import unprivileged_account


@dataclass(frozen=True)
class Urls:
    """The database as its owner reaches it, and as the server and worker do."""

    owner: str
    app: str


_ROLE = """
SELECT current_user AS role, r.rolsuper, r.rolbypassrls, r.rolcreaterole,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       to_regclass('mainstay.migrations') IS NOT NULL AS migrated
  FROM pg_roles r WHERE r.rolname = current_user
"""


async def resolve_urls(database_url: str, owner_database_url: str | None, home: Path) -> Urls:
    """Return the URLs of both roles; from a single one that may make roles, the weaker is made and kept in `home`.

    Raises UnsafeDatabase with one sentence when the role could see past row security or cannot do either task.
    """
    if owner_database_url is not None:
        return Urls(owner_database_url, database_url)
    try:
        connection = await asyncpg.connect(database_url, timeout=10, command_timeout=10)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise UnsafeDatabase(
            f"Cannot connect to the database ({error or type(error).__name__}):"
            " check the host, port, user, password and database of DATABASE_URL."
        ) from error
    try:
        role = await connection.fetchrow(_ROLE)
        if role is None or role["rolsuper"] or role["rolbypassrls"]:
            await require_safe_role(database_url)
        if role is not None and role["rolcreaterole"] and role["may_create"]:
            return Urls(database_url, await _weaker_role(connection, database_url, home))
        if role is not None and role["migrated"]:
            return Urls(database_url, database_url)
    finally:
        await connection.close(timeout=5)
    raise UnsafeDatabase(
        f"The role '{role and role['role']}' may not create Mainstay's schema and its server role here:"
        " give it CREATEROLE and CREATE on the database, or name the schema's owner in MAINSTAY_OWNER_DATABASE_URL."
    )


def embedded_owner_url(home: Path) -> str:
    """Return the owner's URL of the PostgreSQL that `mainstay up` runs for `home`."""
    cluster = EmbeddedCluster(cluster_folder(home, unprivileged_account()))
    if not cluster.attach():
        raise Unavailable("PostgreSQL does not run: start the system with `mainstay up` first.")
    return cluster.owner_url


async def _weaker_role(connection: asyncpg.Connection, database_url: str, home: Path) -> str:
    """Return the URL of a login without rights of its own; its password is kept in a file of mode 0600."""
    parts = urlsplit(database_url)
    name = f"mainstay_app_{sha256(parts.path.encode()).hexdigest()[:8]}"
    file = home / "keys" / name
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name)
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(24))
        if exists:
            await connection.execute(f"ALTER ROLE {name} PASSWORD '{file.read_text()}'")
    if not exists:
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{file.read_text()}'")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "127.0.0.1"
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(file.read_text())}@{host}{port}"))
