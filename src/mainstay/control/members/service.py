"""The rules of members: nobody gives, changes or takes what is above their own, and a tenant keeps an owner."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.control.access import service as access
from mainstay.control.access.models import Caller, IssuedKey, PrincipalKind
from mainstay.control.access.operations import Permission, Role
from mainstay.control.audit import service as audit
from mainstay.control.members import store
from mainstay.control.members.errors import AboveYourOwn, GroupExists, LastOwner
from mainstay.control.members.models import Group, Key, Principal
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import encode_id, new_id, not_found
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.postgres import ReadTx, UniqueViolation, WriteTx

GROUP_NAME_MAX = 200


async def create_principal(tx: WriteTx, caller: Caller, *, name: str, role: Role, kind: PrincipalKind) -> Principal:
    """Make a principal, with a role that reaches no further than the caller's; raises AboveYourOwn."""
    _require_not_above(caller, role)
    principal_id = await access.create_principal(tx, name=name, role=role, kind=kind)
    target_id = encode_id("usr_", principal_id)
    await audit.record(tx, "principal.create", target_id=target_id, facts={"role": role, "kind": kind})
    return await require_principal(tx, principal_id)


async def require_principal(tx: ReadTx, principal_id: UUID) -> Principal:
    """Return one principal of the tenant; raises NotFound."""
    found = await store.find_principal(tx, principal_id)
    if found is None:
        raise not_found("usr_", principal_id)
    return found


async def page_principals(tx: ReadTx, request: PageRequest) -> Page[Principal]:
    """Return a page of principals."""
    return await store.page_principals(tx, request)


async def change_principal(
    tx: WriteTx, caller: Caller, principal_id: UUID, *, role: Role | None, disabled: bool | None
) -> Principal:
    """Change the role of a principal, disable it or enable it; raises AboveYourOwn or LastOwner.

    The keys of a principal follow: what they may do is what its role may do from the next request on.
    """
    # Locked first and by everyone, so that two owners cannot remove each other at once.
    owners = await store.lock_owners(tx)
    before = await require_principal(tx, principal_id)
    role = role or before.role
    disabled = before.disabled_at is not None if disabled is None else disabled
    for reached in (before.role, role):
        _require_not_above(caller, reached)
    if owners == {principal_id} and (role != "owner" or disabled):
        raise LastOwner("This is the last owner of the tenant: make another principal an owner first.", param="role")
    await store.change_principal(tx, principal_id, role=role, disabled=disabled)
    facts = {"role_before": before.role, "role": role, "disabled": disabled}
    await audit.record(tx, "principal.change", target_id=encode_id("usr_", principal_id), facts=facts)
    return await require_principal(tx, principal_id)


async def create_key(
    tx: WriteTx,
    caller: Caller,
    *,
    principal_id: UUID | None,
    name: str,
    scopes: Sequence[Permission] | None,
    expires_in_days: int | None,
) -> IssuedKey:
    """Make a key for a principal, the caller where none is named; raises AboveYourOwn where it would reach further."""
    holder = await require_principal(tx, principal_id or caller.principal_id)
    if holder.disabled_at is not None:
        raise Invalid("The principal is disabled: enable it, or name another one.", param="principal_id")
    _require_not_above(caller, holder.role, scopes)
    key = await access.issue_key(
        tx, role=holder.role, name=name, holder_id=holder.id, scopes=scopes, expires_in_days=expires_in_days
    )
    facts = {"principal_id": encode_id("usr_", holder.id), "role": holder.role, "scopes": ",".join(scopes or ())}
    await audit.record(tx, "key.create", target_id=encode_id("key_", key.id), facts=facts)
    return key


async def page_keys(tx: ReadTx, request: PageRequest, *, principal_id: UUID | None = None) -> Page[Key]:
    """Return a page of keys, of one principal where asked."""
    return await store.page_keys(tx, request, principal_id=principal_id)


async def revoke_key(tx: WriteTx, caller: Caller, key_id: UUID) -> None:
    """End a key, from the next request on; raises NotFound, or AboveYourOwn for a key that reaches further."""
    key = await store.find_key(tx, key_id)
    if key is None:
        raise not_found("key_", key_id)
    _require_not_above(caller, (await require_principal(tx, key.principal_id)).role, key.scopes)
    await store.revoke_key(tx, key_id)
    await audit.record(tx, "key.revoke", target_id=encode_id("key_", key_id))


async def create_group(tx: WriteTx, name: str) -> Group:
    """Make a group; raises GroupExists."""
    if not 1 <= len(name) <= GROUP_NAME_MAX:
        raise Invalid(f"A group's name has 1 to {GROUP_NAME_MAX} characters, not {len(name)}.", param="name")
    group_id = new_id()
    try:
        await store.insert_group(tx, group_id, name)
    except UniqueViolation:
        raise GroupExists("A group of this name exists already; choose another name.", param="name") from None
    await audit.record(tx, "group.create", target_id=encode_id("grp_", group_id))
    return await require_group(tx, group_id)


async def require_group(tx: ReadTx, group_id: UUID) -> Group:
    """Return one group of the tenant; raises NotFound."""
    found = await store.find_group(tx, group_id)
    if found is None:
        raise not_found("grp_", group_id)
    return found


async def page_groups(tx: ReadTx, request: PageRequest) -> Page[Group]:
    """Return a page of groups."""
    return await store.page_groups(tx, request)


async def delete_group(tx: WriteTx, group_id: UUID) -> None:
    """Delete a group; what was shared with it alone is seen by its members no more."""
    if not await store.delete_group(tx, group_id):
        raise not_found("grp_", group_id)
    await audit.record(tx, "group.delete", target_id=encode_id("grp_", group_id))


async def page_members(tx: ReadTx, group_id: UUID, request: PageRequest) -> Page[Principal]:
    """Return a page of the principals of a group."""
    await require_group(tx, group_id)
    return await store.page_members(tx, group_id, request)


async def add_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> None:
    """Put a principal into a group; it sees what is shared with the group from now on."""
    await require_group(tx, group_id)
    await require_principal(tx, principal_id)
    await store.add_member(tx, group_id, principal_id)
    facts = {"principal_id": encode_id("usr_", principal_id)}
    await audit.record(tx, "group.add_member", target_id=encode_id("grp_", group_id), facts=facts)


async def remove_member(tx: WriteTx, group_id: UUID, principal_id: UUID) -> None:
    """Take a principal out of a group; raises NotFound where it is not in it."""
    await require_group(tx, group_id)
    if not await store.remove_member(tx, group_id, principal_id):
        raise not_found("usr_", principal_id)
    facts = {"principal_id": encode_id("usr_", principal_id)}
    await audit.record(tx, "group.remove_member", target_id=encode_id("grp_", group_id), facts=facts)


async def require_known(tx: ReadTx, *, principal_ids: Sequence[UUID], group_ids: Sequence[UUID]) -> None:
    """Raise NotFound for the first of these that is no principal or group of the tenant."""
    principals = await store.known_principals(tx, principal_ids)
    for principal_id in principal_ids:
        if principal_id not in principals:
            raise not_found("usr_", principal_id)
    groups = await store.known_groups(tx, group_ids)
    for group_id in group_ids:
        if group_id not in groups:
            raise not_found("grp_", group_id)


def _require_not_above(caller: Caller, role: Role, scopes: Sequence[Permission] | None = None) -> None:
    """Raise AboveYourOwn where a key of this role and these scopes could do or see what the caller cannot."""
    reach = caller.declared.permissions[role]
    if scopes is not None:
        reach &= frozenset(scopes)
    above = sorted(reach - caller.permissions)
    if above:
        raise AboveYourOwn(
            f"The role '{role}' reaches further here than your key, by {', '.join(above)}:"
            " ask somebody whose role and key include that."
        )
    if role in caller.declared.sees_all and not caller.scope.sees_all:
        raise AboveYourOwn(f"The role '{role}' sees all of the tenant and yours does not: ask an admin.")
