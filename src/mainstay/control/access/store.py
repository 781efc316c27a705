"""The SQL of keys and principals."""

from uuid import UUID

from mainstay.control.access.models import Caller, IssuedKey, Operator, PrincipalKind
from mainstay.control.access.operations import Role, Table
from mainstay.platform.postgres import KeyholeTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def find_key(
    tx: KeyholeTx, prefix: str, secret_sha256: bytes, *, request_id: str, declared: Table
) -> Caller | None:
    """Return the caller that holds a living key, or None."""
    row = await tx.fetch_one(_QUERIES["find_key"], prefix=prefix, secret_sha256=secret_sha256)
    if row is None:
        return None
    scopes = None if row["scopes"] is None else frozenset(row["scopes"])
    return Caller(row["tenant_id"], row["principal_id"], row["key_id"], row["role"], request_id, scopes, declared)


async def insert_principal(tx: WriteTx, *, principal_id: UUID, name: str, role: Role, kind: PrincipalKind) -> None:
    """Add a principal to the tenant of the scope."""
    await tx.execute(_QUERIES["insert_principal"], id=principal_id, name=name, role=role, kind=kind)


async def insert_key(tx: WriteTx, key: IssuedKey, *, secret_sha256: bytes) -> None:
    """Store a key by its digest."""
    await tx.execute(
        _QUERIES["insert_key"],
        id=key.id,
        holder_id=key.principal_id,
        name=key.name,
        prefix=key.prefix,
        secret_sha256=secret_sha256,
        role=key.role,
        scopes=None if key.scopes is None else list(key.scopes),
        expires_at=key.expires_at,
    )


async def find_operator(tx: KeyholeTx, prefix: str, secret_sha256: bytes, tenant_id: UUID | None) -> Operator | None:
    """Return the operator that holds a living key, or None."""
    row = await tx.fetch_one(
        _QUERIES["find_operator"], prefix=prefix, secret_sha256=secret_sha256, of_tenant_id=tenant_id
    )
    return Operator(row["operator_id"], row["found_tenant_id"]) if row else None


async def add_operator(
    tx: KeyholeTx, operator_id: UUID, *, name: str, prefix: str, secret_sha256: bytes, lifetime_days: int
) -> None:
    """Make an operator with its key; only the owner's role may ask."""
    await tx.fetch_value(
        _QUERIES["add_operator"],
        id=operator_id,
        name=name,
        prefix=prefix,
        secret_sha256=secret_sha256,
        lifetime_days=lifetime_days,
    )
