"""The rules of tenants."""

import re
from uuid import UUID

from mainstay.control.tenants import store
from mainstay.control.tenants.errors import InvalidTenantName, TenantExists
from mainstay.control.tenants.models import Tenant
from mainstay.kernel.errors import NotFound
from mainstay.platform.postgres import KeyholeTx, ReadTx, UniqueViolation, WriteTx

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


async def create(tx: WriteTx, name: str) -> None:
    """Create the tenant of the scope under `name`; raises InvalidTenantName or TenantExists."""
    if not _NAME.fullmatch(name):
        raise InvalidTenantName(
            f"'{name[:80]}' is no tenant name: use 1 to 63 lower-case letters, digits and dashes,"
            " beginning with a letter or digit.",
            param="name",
        )
    try:
        await store.insert(tx, name)
    except UniqueViolation:
        raise TenantExists(f"A tenant named '{name}' exists already; choose another name.", param="name") from None


async def current(tx: ReadTx) -> Tenant:
    """Return the tenant of the scope."""
    found = await store.find(tx)
    if found is None:
        raise NotFound("The tenant of this key does not exist any more.")
    return found


async def find_id(tx: KeyholeTx, name: str) -> UUID | None:
    """Return the id of the tenant called `name`, or None."""
    return await store.find_id(tx, name)


async def require_id(tx: KeyholeTx, name: str) -> UUID:
    """Return the id of the tenant called `name`; raises NotFound with what to do."""
    found = await store.find_id(tx, name)
    if found is None:
        raise NotFound(
            f"There is no tenant named '{name}': create it with `mainstay tenants create {name}`.", param="tenant"
        )
    return found
