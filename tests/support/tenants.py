"""Tenants and principals for tests; each test makes its own, so that nothing has to be cleaned up."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Scope
from mainstay.platform.postgres.database import Database
from mainstay.platform.postgres.queries import parse_queries

_QUERIES = parse_queries(
    """
-- name: add_tenant
-- A tenant with a random name.
INSERT INTO mainstay.tenants (tenant_id, name) VALUES (:tenant_id, :name)
-- name: add_principal
-- A principal with a role.
INSERT INTO mainstay.principals (tenant_id, id, name, role) VALUES (:tenant_id, :id, :name, :role)
""",
    origin="tests",
)


@dataclass(frozen=True)
class TestTenant:
    """A tenant with two principals: an admin who sees all, and a customer who sees what is his."""

    __test__ = False
    tenant_id: UUID
    admin_id: UUID
    customer_id: UUID

    @property
    def admin(self) -> Scope:
        return Scope(self.tenant_id, self.admin_id, sees_all=True)

    @property
    def customer(self) -> Scope:
        return Scope(self.tenant_id, self.customer_id)


async def make_tenant(owner: Database) -> TestTenant:
    """Create a tenant as the owner of the schema."""
    made = TestTenant(new_id(), new_id(), new_id())
    async with owner.write(made.admin, unaudited="a fixture") as tx:
        await tx.execute(_QUERIES["add_tenant"], name=f"t-{secrets.token_hex(8)}")
        for principal_id, role in ((made.admin_id, "admin"), (made.customer_id, "customer")):
            await tx.execute(_QUERIES["add_principal"], id=principal_id, name=role, role=role)
    return made
