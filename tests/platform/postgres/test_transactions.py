"""A transaction belongs to one tenant, is short, and refuses what would break the rules of the house."""

import pytest

from mainstay.platform.postgres import Database, PortCalledInTransaction, outside_transaction
from mainstay.platform.postgres.queries import parse_queries
from tests.support.tenants import TestTenant

QUERIES = parse_queries(
    """
-- name: tenants
-- All tenants that are visible.
SELECT tenant_id FROM mainstay.tenants
-- name: principals
-- Principals of the tenant.
SELECT id FROM mainstay.principals WHERE tenant_id = :tenant_id
-- name: rename
-- A change that the runtime role may make.
UPDATE mainstay.api_keys SET revoked_at = now() WHERE tenant_id = :tenant_id
""",
    origin="tests",
)


async def test_read_sees_its_tenant_alone(database: Database, tenant: TestTenant, other_tenant: TestTenant) -> None:
    async with database.read(tenant.admin) as tx:
        assert [row["tenant_id"] for row in await tx.fetch(QUERIES["tenants"])] == [tenant.tenant_id]
    async with database.read(other_tenant.admin) as tx:
        assert [row["tenant_id"] for row in await tx.fetch(QUERIES["tenants"])] == [other_tenant.tenant_id]


async def test_statement_without_a_tenant_fails(database: Database, tenant: TestTenant) -> None:
    async with database.read(tenant.admin) as tx:
        assert await tx.fetch(QUERIES["tenants"])
    with pytest.raises(Exception, match=r"uuid|mainstay\.tenant_id"):
        async with database.keyhole() as tx:
            await tx.fetch(QUERIES["tenants"])


async def test_tenant_cannot_be_passed_by_the_caller(database: Database, tenant: TestTenant) -> None:
    with pytest.raises(TypeError, match="bound by the transaction"):
        async with database.read(tenant.admin) as tx:
            await tx.fetch(QUERIES["principals"], tenant_id=tenant.tenant_id)


async def test_port_called_in_a_transaction_raises(database: Database, tenant: TestTenant) -> None:
    outside_transaction("model")
    with pytest.raises(PortCalledInTransaction, match="'model' was called while a read transaction was open"):
        async with database.read(tenant.admin):
            outside_transaction("model")
    outside_transaction("model")


async def test_change_without_an_audit_row_is_rolled_back(database: Database, tenant: TestTenant) -> None:
    with pytest.raises(AssertionError, match="'rename' changed rows without an audit row"):
        async with database.write(tenant.admin) as tx:
            await tx.execute(QUERIES["rename"])
