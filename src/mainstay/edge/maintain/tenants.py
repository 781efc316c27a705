"""Making tenants and keys, as the owner of the schema, in the scope of the tenant itself."""

from dataclasses import dataclass
from uuid import UUID

from mainstay.control.access import service as access
from mainstay.control.access.models import IssuedKey, NewOperator, Role
from mainstay.control.audit import service as audit
from mainstay.control.tenants import service as tenants
from mainstay.kernel.ids import encode_id, new_id
from mainstay.platform.postgres import Database, PoolLimits, Scope, WriteTx

_LIMITS = PoolLimits(connections_max=2)


@dataclass(frozen=True)
class NewTenant:
    """A tenant and the key of its first owner."""

    id: UUID
    name: str
    key: IssuedKey


async def create_tenant(owner_url: str, name: str) -> NewTenant:
    """Create a tenant with an owner and one key; raises TenantExists or InvalidTenantName."""
    scope = Scope(new_id(), new_id(), sees_all=True, request_id=_request_id())
    database = await Database.connect(owner_url, _LIMITS, application="mainstay-maintain")
    try:
        async with database.write(scope) as tx:
            await tenants.create(tx, name)
            key = await _issue(tx, role="owner", name="owner", expires_in_days=None)
            await audit.record(tx, "tenant.create", target_id=encode_id("ten_", scope.tenant_id))
    finally:
        await database.close()
    return NewTenant(scope.tenant_id, name, key)


async def create_key(owner_url: str, *, tenant: str, role: Role, name: str, expires_in_days: int | None) -> IssuedKey:
    """Create a key with a principal of its own in the tenant called `tenant`; raises NotFound."""
    database = await Database.connect(owner_url, _LIMITS, application="mainstay-maintain")
    try:
        async with database.keyhole() as tx:
            tenant_id = await tenants.require_id(tx, tenant)
        scope = Scope(tenant_id, new_id(), sees_all=True, request_id=_request_id())
        async with database.write(scope) as tx:
            return await _issue(tx, role=role, name=name, expires_in_days=expires_in_days)
    finally:
        await database.close()


async def create_operator(owner_url: str, *, name: str, lifetime_days: int) -> NewOperator:
    """Create an operator above the tenants, with its key."""
    database = await Database.connect(owner_url, _LIMITS, application="mainstay-maintain")
    try:
        async with database.keyhole() as tx:
            return await access.add_operator(tx, name=name, lifetime_days=lifetime_days)
    finally:
        await database.close()


async def find_tenant(owner_url: str, name: str) -> UUID | None:
    """Return the id of the tenant called `name`, or None."""
    database = await Database.connect(owner_url, _LIMITS, application="mainstay-maintain")
    try:
        async with database.keyhole() as tx:
            return await tenants.find_id(tx, name)
    finally:
        await database.close()


async def _issue(tx: WriteTx, *, role: Role, name: str, expires_in_days: int | None) -> IssuedKey:
    key = await access.issue_key(tx, role=role, name=name, expires_in_days=expires_in_days)
    await audit.record(tx, "key.create", target_id=encode_id("key_", key.id), facts={"role": role})
    return key


def _request_id() -> str:
    return f"cli_{new_id().hex}"
