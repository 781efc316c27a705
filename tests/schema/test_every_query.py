"""Every query of every slice fits the schema, and the role that runs it may: each is planned as that role."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

import mainstay
from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.queries import Query, parse_queries
from tests.support.database import DatabaseUrls, set_scope

ROOT = Path(mainstay.__file__).parent
QUERIES = [
    (file.parent.relative_to(ROOT).as_posix(), query)
    for file in sorted(ROOT.rglob("queries.sql"))
    for query in parse_queries(file.read_text("utf-8"), origin=str(file)).values()
]
# What maintenance runs as the owner of the schema; the runtime role must not be able to.
OWNER_ONLY = {
    ("control/tenants", "insert_tenant"),
    ("control/tenants", "find_tenant_id"),
    ("control/limits", "update_plan"),
    ("control/limits", "update_tenant_plan"),
    ("control/limits", "tenants_of_plan"),
    ("control/access", "add_operator"),
}
QUERIES_MIN = 50


async def plan(connection: asyncpg.Connection, query: Query) -> None:
    """Plan `query` with every parameter NULL, which checks names, types and rights, and take it back."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await set_scope(connection, Scope(uuid4(), uuid4()))
        await connection.execute(f"PREPARE candidate AS {query.sql}")
        nulls = ", ".join(["NULL"] * len(query.params))
        await connection.execute(f"EXPLAIN EXECUTE candidate{f'({nulls})' if nulls else ''}")
    finally:
        await attempt.rollback()
        # What was prepared stays though the transaction does not.
        if await connection.fetchval("SELECT true FROM pg_prepared_statements WHERE name = 'candidate'"):
            await connection.execute("DEALLOCATE candidate")


@pytest.fixture(scope="module")
async def app(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.app, server_settings={"search_path": "mainstay, public"})
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def owner(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.owner, server_settings={"search_path": "mainstay, public"})
    yield connection
    await connection.close()


@pytest.mark.parametrize(("place", "query"), QUERIES, ids=[f"{place}:{query.name}" for place, query in QUERIES])
async def test_query_fits_the_schema_and_its_role(
    app: asyncpg.Connection, owner: asyncpg.Connection, place: str, query: Query
) -> None:
    if (place, query.name) in OWNER_ONLY:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await plan(app, query)
        await plan(owner, query)
    else:
        await plan(app, query)


def test_queries_are_found() -> None:
    assert len(QUERIES) >= QUERIES_MIN
    assert {(place, query.name) for place, query in QUERIES} >= OWNER_ONLY
