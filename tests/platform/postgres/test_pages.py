"""A page is read by index in either order: of the two orders of a query the planner keeps the one asked for."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from mainstay.platform.postgres import Database, PoolLimits, load_queries
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.tenants import TestTenant

# Lists that grow without end, with what is NULL in them unless it is asked for.
LISTS = {
    "mainstay.control.audit": ("list_entries", ("action", "request_id")),
    "mainstay.control.metering": ("list_calls", ("request_id",)),
    "mainstay.knowledge.documents": ("list_files", ("purpose",)),
}
RELATIONS = {"list_entries": "audit_entries", "list_calls": "model_calls", "list_files": "files"}
ROWS = """
INSERT INTO mainstay.files (tenant_id, id, owner_id, visibility, filename, purpose, bytes, sha256)
SELECT $1, gen_random_uuid(), $2, 'tenant', 'a', 'assistants', 1, sha256('a') FROM generate_series(1, 3000);
"""
CALLS = """
INSERT INTO mainstay.model_calls (tenant_id, id, owner_id, request_id, kind, feature, provider, model, input_tokens,
       output_tokens, latency_ms, cost_usd_nanos, priced, outcome)
SELECT $1, gen_random_uuid(), $2, 'r', 'chat', 'f', 'p', 'm', 1, 1, 1, 1, true, 'completed'
  FROM generate_series(1, 3000);
"""
ENTRIES = """
INSERT INTO mainstay.audit_entries (tenant_id, id, at, principal_id, request_id, action, outcome, digest)
SELECT $1, gen_random_uuid(), now(), $2, 'r', 'a.b', 'done', sha256('a') FROM generate_series(1, 3000);
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.fixture
async def crowd(database_urls: DatabaseUrls, tenant: TestTenant, other_tenant: TestTenant) -> None:
    superuser = await asyncpg.connect(database_urls.superuser)
    for one in (tenant, other_tenant):
        for statement in (ROWS, CALLS, ENTRIES):
            await superuser.execute(statement, one.tenant_id, one.admin_id)
    await superuser.execute("ANALYZE")
    await superuser.close()


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("package", LISTS)
@pytest.mark.parametrize("oldest_first", [True, False])
async def test_page_is_read_by_index(database: Database, tenant: TestTenant, package: str, oldest_first: bool) -> None:
    name, optional = LISTS[package]
    query = load_queries(package)[name]
    async with database.read(tenant.customer) as tx:
        arguments = tx._arguments(
            query,
            dict.fromkeys(optional)
            | {"newer_than": None, "older_than": tenant.tenant_id, "limit": 21}
            | {"oldest_first": oldest_first},
        )
        plan = json.loads(await tx._connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *arguments))[0]["Plan"]
    found = list(nodes(plan))
    # The policies of files look at other tables too, one row at a time.
    scans = [node for node in found if node.get("Relation Name") == RELATIONS[name]]
    assert [node["Node Type"] for node in scans] == ["Index Scan"], plan
    assert scans[0]["Scan Direction"] == ("Forward" if oldest_first else "Backward")
    assert "Sort" not in {node["Node Type"] for node in found}


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize("package", LISTS)
async def test_page_is_planned_for_its_order_each_time(
    database_urls: DatabaseUrls, tenant: TestTenant, package: str
) -> None:
    """A plan for either order would sort all rows, so PostgreSQL does not keep one, however often a page is read."""
    name, optional = LISTS[package]
    query = load_queries(package)[name]
    database = await Database.connect(database_urls.app, PoolLimits(connections_max=1), scope_key=SCOPE_KEY)
    for _ in range(8):
        async with database.read(tenant.customer) as tx:
            optionals = dict.fromkeys(optional)
            await tx.fetch(
                query, **optionals, newer_than=None, older_than=tenant.tenant_id, limit=21, oldest_first=False
            )
            kept = await tx._connection.fetchval(
                "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", query.sql
            )
    await database.close()
    assert kept == 0
