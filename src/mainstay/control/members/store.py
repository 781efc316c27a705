"""The SQL of members, and its rows as what they mean."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mainstay.control.access.operations import Role
from mainstay.control.members.models import Group, Key, Principal
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, Record, WriteTx, fetch_page, load_queries

_QUERIES = load_queries(__package__)


async def find_principal(tx: ReadTx, principal_id: UUID) -> Principal | None:
    """Return one principal."""
    row = await tx.fetch_one(_QUERIES["find_principal"], id=principal_id)
    return Principal(**row) if row else None


async def page_principals(tx: ReadTx, request: PageRequest) -> Page[Principal]:
    """Return a page of principals."""
    key = _QUERIES["find_principal_key"]
    return await fetch_page(tx, _QUERIES["list_principals"], request, lambda row: Principal(**row), key=key)


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


async def page_keys(tx: ReadTx, request: PageRequest, *, principal_id: UUID | None) -> Page[Key]:
    """Return a page of keys, of one principal where asked."""
    key = _QUERIES["find_api_key_key"]
    return await fetch_page(tx, _QUERIES["list_keys"], request, _key, key=key, principal_id_of=principal_id)


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


async def page_groups(tx: ReadTx, request: PageRequest) -> Page[Group]:
    """Return a page of groups."""
    key = _QUERIES["find_group_key"]
    return await fetch_page(tx, _QUERIES["list_groups"], request, lambda row: Group(**row), key=key)


async def known_groups(tx: ReadTx, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these are groups of the tenant."""
    return {row["id"] for row in await tx.fetch(_QUERIES["known_groups"], ids=list(ids))}


async def delete_group(tx: WriteTx, group_id: UUID) -> bool:
    """Delete a group; False where there is none."""
    return await tx.execute(_QUERIES["delete_group"], id=group_id) > 0


async def page_members(tx: ReadTx, group_id: UUID, request: PageRequest) -> Page[Principal]:
    """Return a page of the principals of a group."""
    key = _QUERIES["find_principal_key"]
    members = _QUERIES["list_members"]
    return await fetch_page(tx, members, request, lambda row: Principal(**row), key=key, group_id=group_id)


async def add_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> None:
    """Put a principal into a group, where it may be already."""
    await tx.execute(_QUERIES["add_member"], group_id=group_id, member_id=principal_id)


async def remove_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> bool:
    """Take a principal out of a group; False where it was not in it."""
    return await tx.execute(_QUERIES["remove_member"], group_id=group_id, member_id=principal_id) > 0


def _key(row: Record) -> Key:
    fields: dict[str, Any] = {**row, "scopes": None if row["scopes"] is None else tuple(row["scopes"])}
    return Key(**fields)
