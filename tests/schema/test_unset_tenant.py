"""Without a tenant every statement on every tenant table is an error, never fewer rows (goal S.T5).

The tables come from the catalogue, so that a new one is tried unasked. They may be empty: the error does not wait for
a row. Where a statement names no tenant, the planner asks for it to estimate how many rows the policy leaves; where it
names one, the policy becomes a filter that is evaluated once, before the first row is looked for.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.catalogue import tenant_tables
from mainstay.platform.postgres.catalogue.facts import read_facts
from mainstay.platform.postgres.scope import NARROW_ROLE, WIDE_ROLE
from mainstay.schema.declared import declared
from tests.support.database import DatabaseUrls, set_scope

# What reading a setting that was never made, or that was LOCAL to a past transaction, raises.
TENANT_ERRORS = (asyncpg.UndefinedObjectError, asyncpg.InvalidTextRepresentationError)
TABLES_MIN = 10

READS = (
    "SELECT * FROM {table}",
    "SELECT count(*) FROM {table}",
    "SELECT 1 FROM {table} WHERE tenant_id = '{tenant}'",
    "SELECT 1 FROM {table} WHERE tenant_id = '{tenant}' FOR SHARE",
    "SELECT 1 WHERE EXISTS (SELECT FROM {table} WHERE tenant_id = '{tenant}')",
    "SELECT 1 FROM {table} a JOIN {table} b USING (tenant_id) LIMIT 1",
)
WRITES = (
    "INSERT INTO {table} DEFAULT VALUES",
    "INSERT INTO {table} (tenant_id) VALUES ('{tenant}')",
    "UPDATE {table} SET tenant_id = tenant_id",
    "UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = '{tenant}'",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE tenant_id = '{tenant}'",
)


@pytest.fixture
async def tables(database_urls: DatabaseUrls) -> list[str]:
    connection = await asyncpg.connect(database_urls.app)
    try:
        async with connection.transaction():
            facts = await read_facts(connection, declared())
    finally:
        await connection.close()
    return [table.name for table in tenant_tables(facts, declared())]


@pytest.fixture
async def app(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.app, server_settings={"plan_cache_mode": "force_custom_plan"})
    yield connection
    await connection.close()


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def outcome(connection: asyncpg.Connection, statement: str) -> type[Exception] | None:
    """Return what kind of error `statement` ends in, or None, and take it back."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return type(error)
    finally:
        await attempt.rollback()
    return None


def refusals(statement: str) -> tuple[type[Exception], ...]:
    """Return the error of the trigger on append-only tables, which may come before any policy is asked."""
    guarded = statement.split(maxsplit=1)[0] in ("UPDATE", "DELETE") and any(
        table in statement for table in declared().append_only
    )
    return (asyncpg.InsufficientPrivilegeError,) if guarded else ()


async def silent(
    connection: asyncpg.Connection, tables: list[str], *, errors: tuple[type[Exception], ...]
) -> list[str]:
    """Return the statements that did not end in one of `errors`, and print how many were tried."""
    statements = [form.format(table=table, tenant=uuid4()) for table in tables for form in (*READS, *WRITES)]
    wrong = [
        statement
        for statement in statements
        if await outcome(connection, statement) not in (*errors, *refusals(statement))
    ]
    print(f"{len(statements)} statements on {len(tables)} tables without a tenant, {len(wrong)} without the error")
    assert len(tables) >= TABLES_MIN
    return wrong


async def set_tenant(connection: asyncpg.Connection) -> None:
    """Set a tenant that has no rows, until the end of the transaction."""
    await set_scope(connection, Scope(uuid4(), uuid4(), sees_all=True))


async def forget_a_tenant(connection: asyncpg.Connection) -> None:
    """Leave the connection as a transaction with a tenant leaves it."""
    async with connection.transaction():
        await set_tenant(connection)


@asynccontextmanager
async def rights_on_everything(superuser: asyncpg.Connection, role: str) -> AsyncIterator[None]:
    """Become a role of transactions with every right on every table, whatever the grants of today; take it back."""
    change = superuser.transaction()
    await change.start()
    try:
        await superuser.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mainstay TO mainstay_runtime"
        )
        await superuser.execute(f"SET LOCAL ROLE {role}")
        yield
    finally:
        await change.rollback()


async def test_login_without_a_tenant_gets_errors(app: asyncpg.Connection, tables: list[str]) -> None:
    errors = (*TENANT_ERRORS, asyncpg.InsufficientPrivilegeError)
    assert await silent(app, tables, errors=errors) == []
    await forget_a_tenant(app)
    assert await silent(app, tables, errors=errors) == []


@pytest.mark.parametrize("role", [NARROW_ROLE, WIDE_ROLE])
@pytest.mark.parametrize("forgotten", [False, True], ids=["never set", "after a transaction with one"])
async def test_role_with_all_rights_gets_the_tenant_error(
    superuser: asyncpg.Connection, tables: list[str], forgotten: bool, role: str
) -> None:
    if forgotten:
        await forget_a_tenant(superuser)
    async with rights_on_everything(superuser, role):
        assert await silent(superuser, tables, errors=TENANT_ERRORS) == []


async def test_policy_that_forgives_is_noticed(superuser: asyncpg.Connection, tables: list[str]) -> None:
    async with rights_on_everything(superuser, NARROW_ROLE):
        await superuser.execute("RESET ROLE")
        await superuser.execute(
            "ALTER POLICY tenant ON mainstay.principals"
            " USING (tenant_id = nullif(split_part(current_setting('mainstay.scope', true), '.', 2), '')::uuid)"
        )
        await superuser.execute(f"SET LOCAL ROLE {NARROW_ROLE}")
        wrong = await silent(superuser, tables, errors=TENANT_ERRORS)
        assert "SELECT * FROM mainstay.principals" in wrong
        assert all("mainstay.principals" in statement for statement in wrong)


async def test_statement_prepared_for_a_tenant_fails_without_one(app: asyncpg.Connection, tables: list[str]) -> None:
    # A statement without parameters is planned once. Of a table that vacuum found empty that plan would be to read it
    # through, and then the policy waits for a row.
    await app.execute("SET enable_seqscan = off")
    for table in tables:
        async with app.transaction():
            await set_tenant(app)
            query = await app.prepare(f"SELECT count(*) FROM {table}")
            for _ in range(7):  # From the sixth on PostgreSQL would weigh a plan without values.
                assert await query.fetchval() == 0
        with pytest.raises(TENANT_ERRORS):
            await query.fetchval()
