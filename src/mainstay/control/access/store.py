"""The SQL of keys and principals."""

from datetime import datetime
from uuid import UUID

from mainstay.control.access.models import Caller, Role
from mainstay.platform.postgres import KeyholeTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def find_key(tx: KeyholeTx, prefix: str, secret_sha256: bytes, *, request_id: str) -> Caller | None:
    """Return the caller that holds a living key, or None."""
    row = await tx.fetch_one(_QUERIES["find_key"], prefix=prefix, secret_sha256=secret_sha256)
    if row is None:
        return None
    return Caller(row["tenant_id"], row["principal_id"], row["key_id"], row["role"], request_id)


async def insert_principal(tx: WriteTx, *, principal_id: UUID, name: str, role: Role) -> None:
    """Add a principal to the tenant of the scope."""
    await tx.execute(_QUERIES["insert_principal"], id=principal_id, name=name, role=role)


async def insert_key(
    tx: WriteTx,
    *,
    key_id: UUID,
    holder_id: UUID,
    prefix: str,
    secret_sha256: bytes,
    role: Role,
    expires_at: datetime | None,
) -> None:
    """Store a key of the principal `holder_id` by its digest."""
    await tx.execute(
        _QUERIES["insert_key"],
        id=key_id,
        holder_id=holder_id,
        prefix=prefix,
        secret_sha256=secret_sha256,
        role=role,
        expires_at=expires_at,
    )
