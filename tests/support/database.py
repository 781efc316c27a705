"""A database of its own for each test process: migrated as the owner, used as the unprivileged role."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from mainstay.platform.postgres import Scope, ScopeKey
from mainstay.platform.postgres.migrations import ROLES, memberships, migrate, trust_scope_key
from mainstay.schema import migrations

RUNTIME_LOGIN = "mainstay_test_app"
OWNER_LOGIN = "mainstay_test_owner"
# Not a secret: the cluster listens on loopback, for the length of one test run.
PASSWORD = "only-for-tests"
SCOPE_KEY = ScopeKey(b"a key that every test signs with")


@dataclass(frozen=True)
class DatabaseUrls:
    """How to reach one database: as superuser (plants and checks), owner (migrates) and runtime role (is tested)."""

    superuser: str
    owner: str
    app: str


async def set_scope(connection: asyncpg.Connection, scope: Scope) -> None:
    """Set a scope as the application signs it, until the end of the transaction."""
    await connection.fetchval("SELECT set_config('mainstay.scope', $1, true)", SCOPE_KEY.sign(scope))


def at(url: str, *, user: str | None = None, password: str | None = None, database: str | None = None) -> str:
    """Return `url` with another user or database."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port or 5432}"
    name = user or parts.username or "postgres"
    secret = password if user else parts.password
    login = f"{name}:{secret}" if secret else name
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=f"/{database}" if database else parts.path))


@asynccontextmanager
async def scratch_database(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    """Make a migrated database with a random name, and drop it afterwards."""
    name = f"mainstay_test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(superuser_url)
    try:
        await admin.execute("SELECT pg_advisory_lock(7300)")
        for login, attributes in ((OWNER_LOGIN, "CREATEROLE"), (RUNTIME_LOGIN, "")):
            if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", login):
                await admin.execute(f"CREATE ROLE {login} LOGIN {attributes} PASSWORD '{PASSWORD}'")
        # Roles belong to the whole server, where owners of other databases may have made them before.
        for role in ROLES:
            if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await admin.execute(f"CREATE ROLE {role} NOLOGIN")
        for role, member in memberships(runtime_login=RUNTIME_LOGIN, owner=OWNER_LOGIN):
            await admin.execute(f"GRANT {role} TO {member}")
        await admin.execute(f"CREATE DATABASE {name} OWNER {OWNER_LOGIN}")
        urls = DatabaseUrls(
            superuser=at(superuser_url, database=name),
            owner=at(superuser_url, user=OWNER_LOGIN, password=PASSWORD, database=name),
            app=at(superuser_url, user=RUNTIME_LOGIN, password=PASSWORD, database=name),
        )
        await _create_extension(urls.superuser)
        await migrate(urls.owner, migrations(), runtime_login=RUNTIME_LOGIN)
        await trust_scope_key(urls.owner, SCOPE_KEY)
        await admin.execute("SELECT pg_advisory_unlock(7300)")
        yield urls
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


async def lift_limits(urls: DatabaseUrls) -> None:
    """Let requests through as fast as they come, also without a key: a refusal of the limits would hide another."""
    connection = await asyncpg.connect(urls.superuser)
    try:
        await connection.execute(
            "UPDATE mainstay.plans SET requests_per_second = 1e6, requests_burst = 1e7, requests_per_hour = 1e9"
        )
    finally:
        await connection.close()


async def _create_extension(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    finally:
        await connection.close()
