"""No scope reaches a row of another tenant in any table, nor what others keep for themselves inside its own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.isolation.rows import planted, reached, tenant_table_names
from tests.support.database import DatabaseUrls
from tests.support.figures import Figures

TABLES_MIN = 19
OWNED = {"mainstay.files", "mainstay.stores", "mainstay.conversations", "mainstay.answers", "mainstay.model_calls"}


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def test_no_scope_reaches_rows_of_others(
    superuser: asyncpg.Connection, database_urls: DatabaseUrls, record_figure: Figures
) -> None:
    async with planted(superuser, await tenant_table_names(database_urls.superuser)) as (cast, tables):
        found = [sentence for table in tables for sentence in await reached(superuser, cast, table)]
    record_figure.record("tables with rows of two tenants", len(tables), unit="tables")
    assert found == []
    assert len(tables) >= TABLES_MIN
    assert {table.name for table in tables if table.owned} >= OWNED


async def test_open_table_is_noticed(superuser: asyncpg.Connection) -> None:
    async with planted(superuser, ["mainstay.files"]) as (cast, tables):
        await superuser.execute("ALTER POLICY tenant ON mainstay.files USING (true)")
        found = await reached(superuser, cast, tables[0])
    assert any("SELECT count(*)" in sentence for sentence in found)
    assert any("DELETE" in sentence for sentence in found)
