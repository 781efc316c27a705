"""The SQL of tenants."""

from uuid import UUID

from mainstay.control.tenants.models import Tenant
from mainstay.platform.postgres import KeyholeTx, ReadTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def insert(tx: WriteTx, name: str) -> None:
    """Create the tenant of the scope."""
    await tx.execute(_QUERIES["insert_tenant"], name=name)


async def find(tx: ReadTx) -> Tenant | None:
    """Return the tenant of the scope."""
    row = await tx.fetch_one(_QUERIES["find_tenant"])
    return Tenant(row["tenant_id"], row["name"], row["created_at"]) if row else None


async def find_id(tx: KeyholeTx, name: str) -> UUID | None:
    """Return the id of the tenant called `name`; only the owner's role may ask."""
    return await tx.fetch_value(_QUERIES["find_tenant_id"], name=name)
