"""Every query names its tenant for every table of tenants that it touches, once."""

import pytest

from mainstay.platform.postgres.queries import parse_queries
from tests.isolation.filters import all_queries, unfiltered
from tests.isolation.rows import tenant_table_names
from tests.support.database import DatabaseUrls
from tests.support.figures import Figures

QUERIES_MIN = 60
# What looks across tenants calls a function of the keyhole, and so names no table.
WRONG = {
    "no filter": "SELECT id FROM mainstay.files WHERE id = :id",
    "another tenant": "SELECT id FROM mainstay.files WHERE tenant_id = :other AND id = :id",
    "a join without": "SELECT FROM mainstay.files f JOIN mainstay.stores s USING (id) WHERE f.tenant_id = :tenant_id",
    "the same twice": "SELECT id FROM mainstay.files WHERE tenant_id = :tenant_id AND tenant_id = :tenant_id",
    "a row of another": "INSERT INTO mainstay.files (tenant_id, id) VALUES (:other, :id)",
    "a removal": "DELETE FROM mainstay.files WHERE id = :id AND :tenant_id IS NOT NULL",
}


@pytest.fixture
async def tables(database_urls: DatabaseUrls) -> frozenset[str]:
    return frozenset(await tenant_table_names(database_urls.superuser))


async def test_every_query_names_its_tenant(tables: frozenset[str], record_figure: Figures) -> None:
    queries = all_queries()
    wrong = {name: found for name, query in queries.items() if (found := unfiltered(query, tables))}
    record_figure.record("queries that name their tenant", len(queries) - len(wrong), unit="queries")
    assert wrong == {}
    assert len(queries) >= QUERIES_MIN


@pytest.mark.parametrize("sql", WRONG.values(), ids=WRONG)
async def test_missing_filter_is_noticed(tables: frozenset[str], sql: str) -> None:
    query = parse_queries(f"-- name: planted\n-- A fault.\n{sql}", origin="tests")["planted"]
    assert unfiltered(query, tables)
