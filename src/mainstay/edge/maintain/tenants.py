"""Making tenants and keys, as the owner of the schema, in the scope of the tenant itself."""

from dataclasses import dataclass
from uuid import UUID

from mainstay.config import Settings
from mainstay.control.access import service as access
from mainstay.control.access.models import IssuedKey, NewOperator, Role
from mainstay.control.audit import service as audit
from mainstay.control.limits import service as limits
from mainstay.control.limits.models import UNLIMITED, Limits
from mainstay.control.tenants import service as tenants
from mainstay.edge.maintain.database import maintenance_scope, open_database
from mainstay.kernel.ids import encode_id, new_id
from mainstay.platform.postgres import WriteTx


@dataclass(frozen=True)
class NewTenant:
    """A tenant and the key of its first owner."""

    id: UUID
    name: str
    key: IssuedKey


async def create_tenant(settings: Settings, owner_url: str, name: str, *, plan: str | None = None) -> NewTenant:
    """Create a tenant with an owner and one key; raises TenantExists, InvalidTenantName or UnknownPlan."""
    scope = maintenance_scope(new_id())
    async with open_database(settings, owner_url) as database, database.write(scope) as tx:
        await tenants.create(tx, name)
        if plan is not None:
            await limits.put_on_plan(tx, plan)
        key = await _issue(tx, role="owner", name="owner", expires_in_days=None)
        await audit.record(tx, "tenant.create", target_id=encode_id("ten_", scope.tenant_id))
    return NewTenant(scope.tenant_id, name, key)


async def create_key(
    settings: Settings,
    owner_url: str,
    *,
    tenant: str,
    role: Role,
    name: str,
    expires_in_days: int | None,
    cap: Limits = UNLIMITED,
) -> IssuedKey:
    """Create a key with a principal of its own in the tenant called `tenant`, with a cap or not; raises NotFound."""
    async with open_database(settings, owner_url) as database:
        async with database.keyhole() as tx:
            tenant_id = await tenants.require_id(tx, tenant)
        async with database.write(maintenance_scope(tenant_id)) as tx:
            key = await _issue(tx, role=role, name=name, expires_in_days=expires_in_days)
            if cap != UNLIMITED:
                await limits.set_cap(tx, encode_id("key_", key.id), cap)
            return key


async def create_operator(settings: Settings, owner_url: str, *, name: str, lifetime_days: int) -> NewOperator:
    """Create an operator above the tenants, with its key."""
    async with open_database(settings, owner_url) as database, database.keyhole() as tx:
        return await access.add_operator(tx, name=name, lifetime_days=lifetime_days)


async def find_tenant(settings: Settings, owner_url: str, name: str) -> UUID | None:
    """Return the id of the tenant called `name`, or None."""
    async with open_database(settings, owner_url) as database, database.keyhole() as tx:
        return await tenants.find_id(tx, name)


async def _issue(tx: WriteTx, *, role: Role, name: str, expires_in_days: int | None) -> IssuedKey:
    key = await access.issue_key(tx, role=role, name=name, expires_in_days=expires_in_days)
    await audit.record(tx, "key.create", target_id=encode_id("key_", key.id), facts={"role": role})
    return key
