"""Applies migrations as the owner of the schema: in order, each in a transaction of its own, and never one twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg

from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.redaction import forget_values
from mainstay.platform.postgres.scope import NARROW_ROLE, WIDE_ROLE, Scope, ScopeKey

# One number for all processes that migrate one database; it means nothing else.
_ADVISORY_LOCK = 0x6D61696E73746179
LOCK_TIMEOUT_S = 2
MIGRATED_POLL_S = 0.05
WAIT_FOR_OTHERS_S = 60

_ADD_SCOPE_KEY = (
    "INSERT INTO mainstay.scope_keys (id, inner_block, outer_block) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING"
)

# Roles without login: what the server may do, what a transaction becomes, and who looks across tenants.
RUNTIME_ROLE = "mainstay_runtime"
KEYHOLE_ROLE = "mainstay_keyhole"
ROLES = (RUNTIME_ROLE, NARROW_ROLE, WIDE_ROLE, KEYHOLE_ROLE)


class MigrationFile(Protocol):
    """What the runner needs of a migration."""

    @property
    def name(self) -> str: ...
    @property
    def sql(self) -> str: ...
    @property
    def digest(self) -> bytes: ...


class MigrationFailed(MainstayError):
    """The schema could not be brought up to date; nothing of the failed step was kept."""

    kind = "unavailable"
    code = "migration_failed"


@dataclass(frozen=True)
class Migrated:
    """Which migrations were applied now, and how many stood already."""

    applied: tuple[str, ...]
    present: int


async def migrate(owner_url: str, files: Sequence[MigrationFile], *, runtime_login: str) -> Migrated:
    """Bring the schema up to date and let the role `runtime_login` use it.

    Raises MigrationFailed with a sentence when the database, a right or the extension is missing, or when a
    migration that was applied has been edited since.
    """
    try:
        connection = await asyncpg.connect(owner_url, timeout=10, command_timeout=600)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise MigrationFailed(
            f"The database does not take the owner's connection: {error or type(error).__name__}"
        ) from error
    try:
        await connection.execute(f"SET lock_timeout = '{WAIT_FOR_OTHERS_S}s'")
        await connection.fetchval("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        await _require_extension(connection)
        await _require_roles(connection, runtime_login)
        return await _apply(connection, files)
    except asyncpg.PostgresError as error:
        forget_values(error)
        raise MigrationFailed(f"A migration failed and was rolled back: {error}") from error
    finally:
        await connection.close(timeout=5)


async def trust_scope_key(owner_url: str, scope_key: ScopeKey) -> None:
    """Let the database believe the scopes that `scope_key` signs, beside those of the keys that it trusts already."""
    connection = await asyncpg.connect(owner_url, timeout=10, command_timeout=10)
    try:
        await connection.execute(_ADD_SCOPE_KEY, scope_key.id, *scope_key.blocks())
    finally:
        await connection.close(timeout=5)


async def wait_until_migrated(
    url: str, files: Sequence[MigrationFile], *, scope_key: ScopeKey, deadline_s: float
) -> None:
    """Return once all of `files` are applied and `scope_key` is trusted.

    Raises MigrationFailed when that takes longer than `deadline_s`.

    A process that serves may be started beside the one that migrates, and waits here for it.
    """
    wanted = {file.name for file in files}
    # Without prepared statements, so that a pooler may stand between.
    connection = await asyncpg.connect(url, timeout=10, command_timeout=10, statement_cache_size=0)
    try:
        async with asyncio.timeout(deadline_s):
            # Another process is awaited, which adds the key last.
            while not (wanted <= await _applied_names(connection) and await _trusts(connection, scope_key)):  # noqa: ASYNC110
                await asyncio.sleep(MIGRATED_POLL_S)
    except TimeoutError:
        raise MigrationFailed(
            f"The schema was not brought up to date within {deadline_s:g} s, or its database does not know this"
            " process's scope key: run `mainstay up` with the owner's address and the same MAINSTAY_SCOPE_KEY."
        ) from None
    finally:
        await connection.close(timeout=5)


async def _applied_names(connection: asyncpg.Connection) -> set[str]:
    try:
        return {row["name"] for row in await connection.fetch("SELECT name FROM mainstay.migrations")}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        return set()


async def _trusts(connection: asyncpg.Connection, scope_key: ScopeKey) -> bool:
    """Return whether the database believes what `scope_key` signs."""
    nobody = Scope(UUID(int=0), UUID(int=0))
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT set_config('mainstay.scope', $1, true)", scope_key.sign(nobody))
            return await connection.fetchval("SELECT mainstay.current_tenant()") == nobody.tenant_id
    except asyncpg.InvalidTextRepresentationError:
        return False


async def _require_extension(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT true FROM pg_extension WHERE extname = 'vector'"):
        return
    if not await connection.fetchval("SELECT true FROM pg_available_extensions WHERE name = 'vector'"):
        raise MigrationFailed(
            "This PostgreSQL has no pgvector: install it there (Debian: the package postgresql-NN-pgvector),"
            " then run CREATE EXTENSION vector in the database as a superuser."
        )
    try:
        await connection.execute("CREATE EXTENSION vector")
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationFailed(
            "The extension vector is installed on the server but not in this database, and the owner may not create it:"
            " run CREATE EXTENSION vector there as a superuser."
        ) from error


async def _require_roles(connection: asyncpg.Connection, runtime_login: str) -> None:
    """Make the roles without login, and put each role and login into those that it is to be in."""
    owner = str(await connection.fetchval("SELECT current_user"))
    wanted = [f"CREATE ROLE {role} NOLOGIN" for role in ROLES]
    try:
        for role, statement in zip(ROLES, wanted, strict=True):
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(statement)
        for role, member in memberships(runtime_login=runtime_login, owner=owner):
            await _grant_role(connection, role, member)
    except asyncpg.InsufficientPrivilegeError as error:
        grants = [f"GRANT {role} TO {member}" for role, member in memberships(runtime_login=runtime_login, owner=owner)]
        raise MigrationFailed(
            f"The owner role '{owner}' may not create or grant the roles of Mainstay: run as a superuser:"
            f" {'; '.join([*wanted, *grants])};"
        ) from error


def memberships(*, runtime_login: str, owner: str) -> Sequence[tuple[str, str]]:
    """Return each role with who is to be in it."""
    serving = [(role, runtime_login) for role in (RUNTIME_ROLE, NARROW_ROLE, WIDE_ROLE)]
    return [(RUNTIME_ROLE, NARROW_ROLE), (RUNTIME_ROLE, WIDE_ROLE), *serving, (KEYHOLE_ROLE, owner)]


async def _grant_role(connection: asyncpg.Connection, role: str, member: str) -> None:
    """Grant `role`; whoever creates a role since PostgreSQL 16 administers it without being in it."""
    direct = await connection.fetchval(
        "SELECT true FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"
        " WHERE r.rolname = $1 AND m.rolname = $2 AND coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)",
        role,
        member,
    )
    if not direct:
        quoted = await connection.fetchval("SELECT quote_ident($1)", member)
        await connection.execute(f"GRANT {role} TO {quoted}")


async def _apply(connection: asyncpg.Connection, files: Sequence[MigrationFile]) -> Migrated:
    await connection.execute("CREATE SCHEMA IF NOT EXISTS mainstay")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS mainstay.migrations"
        " (name text PRIMARY KEY, digest bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    present = {
        row["name"]: row["digest"] for row in await connection.fetch("SELECT name, digest FROM mainstay.migrations")
    }
    applied: list[str] = []
    for file in files:
        if file.name in present:
            if present[file.name] != file.digest:
                raise MigrationFailed(
                    f"Migration '{file.name}' was edited after it was applied:"
                    " restore the file and put the change into a new one."
                )
            continue
        async with connection.transaction():
            await connection.execute(file.sql)
            await connection.execute(
                "INSERT INTO mainstay.migrations (name, digest) VALUES ($1, $2)", file.name, file.digest
            )
        applied.append(file.name)
    newer = sorted(present.keys() - {file.name for file in files})
    if newer:
        raise MigrationFailed(
            f"The database is newer than this program (it has {newer[-1]}):"
            " start the version that made it, or a later one."
        )
    return Migrated(tuple(applied), len(present))
