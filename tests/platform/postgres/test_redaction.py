"""The values of a row that breaks a rule of the schema are in no error, no log and no response."""

import json
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import structlog.testing
from fastapi import APIRouter

from mainstay.control.access.door import Permitted
from mainstay.edge.server.limits import EdgeLimits
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database, WriteTx
from mainstay.platform.postgres.migrations import MigrationFailed, migrate
from mainstay.platform.postgres.queries import parse_queries
from mainstay.platform.telemetry import logs
from tests.support.database import RUNTIME_LOGIN, DatabaseUrls
from tests.support.edge import Edge, make_key, running_edge
from tests.support.tenants import TestTenant, make_tenant

CANARY = "canary-of-the-row"
# PostgreSQL quotes it in the message itself, which its own log keeps; no statement of ours casts a text of a user.
CAST = "value-of-a-cast"
QUERIES = parse_queries(
    """
-- name: check
-- Breaks a CHECK: there is no such role.
INSERT INTO mainstay.principals (tenant_id, id, name, role) VALUES (:tenant_id, :id, :name, 'nobody')
-- name: unique
-- Breaks a unique key at the second time.
INSERT INTO mainstay.stores (tenant_id, id, name) VALUES (:tenant_id, :id, :name)
-- name: syntax
-- A text that is no UUID, which the server refuses.
SELECT :name::text::uuid
-- name: argument
-- A text that is no integer, which the driver refuses.
SELECT :name::int
""",
    origin="tests",
)


async def break_check(tx: WriteTx) -> None:
    await tx.execute(QUERIES["check"], id=new_id(), name=CANARY)


async def break_unique(tx: WriteTx) -> None:
    store_id = new_id()
    for _ in range(2):
        await tx.execute(QUERIES["unique"], id=store_id, name=CANARY)


async def break_syntax(tx: WriteTx) -> None:
    await tx.fetch_value(QUERIES["syntax"], name=CAST)


async def break_argument(tx: WriteTx) -> None:
    await tx.fetch_value(QUERIES["argument"], name=CANARY)


async def wrapped(tx: WriteTx) -> None:
    try:
        await break_check(tx)
    except asyncpg.CheckViolationError as error:
        raise RuntimeError("what a slice makes of it") from error


BREAKS = [break_check, break_unique, break_syntax, break_argument, wrapped]


@pytest.mark.parametrize("break_rule", BREAKS)
async def test_error_and_its_traceback_hold_no_value(
    database: Database, tenant: TestTenant, break_rule: Callable
) -> None:
    with pytest.raises((asyncpg.PostgresError, RuntimeError)) as broken:
        async with database.write(tenant.admin, unaudited="it fails") as tx:
            await break_rule(tx)
    assert str(broken.value)
    told = "".join(traceback.format_exception(broken.value))
    assert CANARY not in told
    assert CAST not in told
    if break_rule is break_check:
        assert "principals_role_check" in str(broken.value)


async def test_postgres_itself_would_tell_the_row(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("CREATE TEMP TABLE t (a text, b int CHECK (b > 0))")
        with pytest.raises(asyncpg.CheckViolationError, match=CANARY):
            await connection.execute("INSERT INTO t VALUES ($1, 0)", CANARY)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def edge(database: Database, owner_database: Database) -> AsyncIterator[Edge]:
    made = APIRouter()

    @made.post("/v1/breaks/{number}")
    async def breaks(caller: Permitted, number: int) -> None:
        async with database.write(caller.scope, unaudited="it fails") as tx:
            await BREAKS[number](tx)

    key = await make_key(owner_database, await make_tenant(owner_database))
    async with running_edge(database, key, EdgeLimits(), [made]) as running:
        yield running


@pytest.mark.parametrize("number", range(len(BREAKS)))
async def test_neither_response_nor_logs_hold_it(edge: Edge, number: int, superuser_url: str) -> None:
    with structlog.testing.capture_logs() as events:
        reply = await edge.send(edge.head("POST", f"/v1/breaks/{number}"))
    assert reply.status == 500
    assert reply.error["code"] == "internal"
    # As the product's own configuration writes them.
    logged = json.dumps([logs._TRACEBACKS(None, "error", event) for event in events], default=str)
    assert "request_failed" in logged
    assert "exc_value" in logged
    for text in (reply.body.decode(), logged):
        assert CANARY not in text
        assert CAST not in text
    assert CANARY not in await _log_of_postgres(superuser_url)


async def _log_of_postgres(superuser_url: str) -> str:
    """Return what the embedded server has logged; skips where another one serves the tests."""
    connection = await asyncpg.connect(superuser_url)
    try:
        folder = Path(await connection.fetchval("SHOW data_directory")).parent
        logs = [path for path in folder.glob("*.log") if path.is_file()]
        if not logs:
            pytest.skip("the tests run on another PostgreSQL, whose log is not ours")
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in logs)
    finally:
        await connection.close()


async def test_log_of_postgres_is_the_one_that_is_looked_at(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.execute("SELECT * FROM told_of_in_the_log")
    finally:
        await connection.close()
    assert "told_of_in_the_log" in await _log_of_postgres(superuser_url)


@dataclass(frozen=True)
class _Breaking:
    """A migration that breaks a unique key."""

    sql: str
    name: str = "9999_pre_breaks"
    digest: bytes = bytes(32)


async def test_failed_migration_does_not_quote_a_row(database_urls: DatabaseUrls) -> None:
    sql = f"CREATE TEMP TABLE t (a text UNIQUE); INSERT INTO t VALUES ('{CANARY}'), ('{CANARY}');"
    with pytest.raises(MigrationFailed) as failed:
        await migrate(database_urls.owner, [_Breaking(sql)], runtime_login=RUNTIME_LOGIN)
    assert CANARY not in "".join(traceback.format_exception(failed.value))
