"""Whether the role a process runs as is weak enough. A role that could see past row security never serves."""

from datetime import UTC, datetime

import asyncpg
import structlog

from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.safe_versions import safe_versions

log = structlog.get_logger(__name__)

PGVECTOR_FLOOR = (0, 8)


class UnsafeDatabase(MainstayError):
    """The database or the role cannot keep tenants apart; the message says how to mend it."""

    kind = "unavailable"
    code = "unsafe_database"


# What leads past row security: a replica streams every tenant's rows, and up to PostgreSQL 15 whoever creates roles
# may grant himself any but a superuser.
_POWERS = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "has BYPASSRLS",
    "rolreplication": "has REPLICATION",
    "rolcreaterole": "has CREATEROLE",
}

_ROLE = """
SELECT r.rolname AS role, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication,
       current_setting('server_version_num')::int AS version,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector,
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('mainstay', 'keyhole') AND c.relowner = r.oid) AS owned,
       (SELECT string_agg(DISTINCT o.rolname, ', ') FROM pg_roles o
         WHERE o.oid <> r.oid AND pg_has_role(r.oid, o.oid, 'MEMBER')
           AND (o.rolsuper OR o.rolbypassrls OR o.rolname = 'mainstay_keyhole' OR o.rolname ~ '^pg_.*_server_'
                OR EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname IN ('mainstay', 'keyhole') AND c.relowner = o.oid))) AS strong_roles
  FROM pg_roles r WHERE r.rolname = current_user
"""


async def require_safe_role(url: str) -> None:
    """Raise UnsafeDatabase with one sentence unless `url` is a role that row security binds (goal S.T7)."""
    try:
        # Without prepared statements, so that a pooler may stand between.
        connection = await asyncpg.connect(url, timeout=10, command_timeout=10, statement_cache_size=0)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise UnsafeDatabase(
            f"Cannot connect to the database ({error or type(error).__name__}):"
            " check the host, port, user and password of DATABASE_URL."
        ) from error
    try:
        row = await connection.fetchrow(_ROLE)
    finally:
        await connection.close(timeout=5)
    problem = complaint(dict(row or {}))
    if problem:
        raise UnsafeDatabase(problem)
    if datetime.now(UTC).date() > safe_versions().stale_on:
        log.warning("postgres.safe_versions_stale", looked_up=str(safe_versions().looked_up), advice="update Mainstay")


def complaint(row: dict[str, object]) -> str | None:
    """Return what is wrong with the role described by `row` (columns of the catalogue query), or None."""
    role = row["role"]
    two_roles = (
        "use two roles: a plain one in DATABASE_URL for the server,"
        " and the owner of the schema in MAINSTAY_OWNER_DATABASE_URL"
    )
    # The owner has CREATEROLE too; that he owns the tables tells more.
    power = next((words for column, words in _POWERS.items() if row[column]), None)
    if power and not row["owned"]:
        return f"The role '{role}' {power} and so may bypass row security; {two_roles}."
    if row["owned"]:
        owned = f"owns {row['owned']} relations of Mainstay"
        return f"The role '{role}' {owned} and could switch row security off; {two_roles}."
    if row["strong_roles"]:
        strong = f"is a member of {row['strong_roles']}, which row security does not bind"
        return f"The role '{role}' {strong}; revoke that, or {two_roles}."
    return safe_versions().complaint(int(str(row["version"]))) or _pgvector_complaint(row["pgvector"])


def _pgvector_complaint(found: object) -> str | None:
    if found is None:
        return (
            "This database has no pgvector: run CREATE EXTENSION vector in it as a superuser"
            " (Debian: install postgresql-NN-pgvector first)."
        )
    numbers = tuple(int(part) for part in str(found).split(".")[:2])
    if numbers < PGVECTOR_FLOOR:
        return f"pgvector {found} is too old: Mainstay needs {'.'.join(map(str, PGVECTOR_FLOOR))} or later."
    return None
