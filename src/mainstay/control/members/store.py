"""The SQL of members, and its rows as what they mean."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mainstay.control.access.operations import Role
from mainstay.control.members.models import Group, Key, Principal
from mainstay.platform.postgres import ReadTx, Record, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def find_principal(tx: ReadTx, principal_id: UUID) -> Principal | None:
    """Return one principal."""
    row = await tx.fetch_one(_QUERIES["find_principal"], id=principal_id)
    return Principal(**row) if row else None


async def list_principals(tx: ReadTx, *, before: UUID | None, limit: int) -> Sequence[Principal]:
    """Return principals older than `before`, newest first."""
    return [Principal(**row) for row in await tx.fetch(_QUERIES["list_principals"], before=before, limit=limit)]


async def known_principals(tx: ReadTx, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these are principals of the tenant."""
    return {row["id"] for row in await tx.fetch(_QUERIES["known_principals"], ids=list(ids))}


async def lock_owners(tx: WriteTx) -> set[UUID]:
    """Return the owners that are not disabled; until the transaction ends nobody else changes one of them."""
    return {row["id"] for row in await tx.fetch(_QUERIES["lock_owners"])}


async def change_principal(tx: WriteTx, principal_id: UUID, *, role: Role, disabled: bool) -> None:
    """Give a principal a role, and disable or enable it."""
    await tx.execute(_QUERIES["change_principal"], id=principal_id, role=role, disabled=disabled)


async def find_key(tx: ReadTx, key_id: UUID) -> Key | None:
    """Return one key."""
    row = await tx.fetch_one(_QUERIES["find_key_record"], id=key_id)
    return _key(row) if row else None


async def list_keys(tx: ReadTx, *, principal_id: UUID | None, before: UUID | None, limit: int) -> Sequence[Key]:
    """Return keys older than `before`, newest first, of one principal where asked."""
    rows = await tx.fetch(_QUERIES["list_keys"], principal_id_of=principal_id, before=before, limit=limit)
    return [_key(row) for row in rows]


async def revoke_key(tx: WriteTx, key_id: UUID) -> bool:
    """End a key; False where it had ended."""
    return await tx.execute(_QUERIES["revoke_key"], id=key_id) > 0


async def insert_group(tx: WriteTx, group_id: UUID, name: str) -> None:
    """Make a group."""
    await tx.execute(_QUERIES["insert_group"], id=group_id, name=name)


async def find_group(tx: ReadTx, group_id: UUID) -> Group | None:
    """Return one group."""
    row = await tx.fetch_one(_QUERIES["find_group"], id=group_id)
    return Group(**row) if row else None


async def list_groups(tx: ReadTx, *, before: UUID | None, limit: int) -> Sequence[Group]:
    """Return groups older than `before`, newest first."""
    return [Group(**row) for row in await tx.fetch(_QUERIES["list_groups"], before=before, limit=limit)]


async def known_groups(tx: ReadTx, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these are groups of the tenant."""
    return {row["id"] for row in await tx.fetch(_QUERIES["known_groups"], ids=list(ids))}


async def delete_group(tx: WriteTx, group_id: UUID) -> bool:
    """Delete a group; False where there is none."""
    return await tx.execute(_QUERIES["delete_group"], id=group_id) > 0


async def list_members(tx: ReadTx, group_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Principal]:
    """Return the principals of a group that are older than `before`, newest first."""
    rows = await tx.fetch(_QUERIES["list_members"], group_id=group_id, before=before, limit=limit)
    return [Principal(**row) for row in rows]


async def add_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> None:
    """Put a principal into a group, where it may be already."""
    await tx.execute(_QUERIES["add_member"], group_id=group_id, member_id=principal_id)


async def remove_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> bool:
    """Take a principal out of a group; False where it was not in it."""
    return await tx.execute(_QUERIES["remove_member"], group_id=group_id, member_id=principal_id) > 0


def _key(row: Record) -> Key:
    fields: dict[str, Any] = {**row, "scopes": None if row["scopes"] is None else tuple(row["scopes"])}
    return Key(**fields)
