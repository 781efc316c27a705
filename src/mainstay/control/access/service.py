"""The rules of the door: a key is proved once a request, and a role may do what its row of the table says.

A key reads `ms_<prefix of 12>_<secret of 43>`, an operator's `mo_…`: the prefix finds it, its SHA-256 proves it.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from mainstay.control.access import store
from mainstay.control.access.errors import InvalidKey, PermissionDenied
from mainstay.control.access.models import ROLES, Caller, IssuedKey, NewOperator, PrincipalKind
from mainstay.control.access.operations import DECLARED, Permission, Role, Table
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import decode_id, new_id, not_found
from mainstay.platform.postgres import Database, KeyholeTx, WriteTx

KEY_LIFETIME_MAX_DAYS = 3650
PRINCIPAL_NAME_MAX = 200
OPERATOR_LIFETIME_MAX_DAYS = 365
TENANT_HEADER = "mainstay-tenant"
MEMBER_KEY, OPERATOR_KEY = "ms", "mo"
_KEY = re.compile(rf"({MEMBER_KEY}|{OPERATOR_KEY})_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")


async def authenticate(
    database: Database, key: str | None, *, request_id: str, tenant: str | None = None, declared: Table = DECLARED
) -> Caller:
    """Return who holds `key`; raises InvalidKey, without telling why it is not valid.

    `tenant` is the id of the tenant into which an operator looks, as it came; others have one and name none. What they
    may do is as `declared` has it.
    """
    match = _KEY.fullmatch(key) if key else None
    if not key or not match:
        raise InvalidKey(
            "No valid API key was given: send it as `Authorization: Bearer ms_…`." if not key else _incorrect(key)
        )
    kind, prefix = match[1], match[2]
    digest = sha256(key.encode()).digest()
    async with database.keyhole_statements() as tx:
        if kind == OPERATOR_KEY:
            operator, tenant_id = await _operator(tx, key, prefix, digest, tenant)
            return Caller(tenant_id, operator, operator, "operator", request_id, declared=declared)
        caller = await store.find_key(tx, prefix, digest, request_id=request_id, declared=declared)
    if caller is None:
        raise InvalidKey(_incorrect(key))
    return caller


async def _operator(tx: KeyholeTx, key: str, prefix: str, digest: bytes, tenant: str | None) -> tuple[UUID, UUID]:
    """Return the ids of an operator and of the tenant into which it looks."""
    tenant_id = decode_id("ten_", tenant) if tenant else None
    operator = await store.find_operator(tx, prefix, digest, tenant_id)
    if operator is None:
        raise InvalidKey(_incorrect(key))
    if tenant_id is None:
        raise Invalid(f"An operator names the tenant it reads: send `{TENANT_HEADER}: ten_…`.", param=TENANT_HEADER)
    if operator.tenant_id is None:
        raise not_found("ten_", tenant_id)
    return operator.id, tenant_id


def _incorrect(key: str) -> str:
    return f"Incorrect API key provided: {key[:6]}…: check it, or make one with `mainstay keys create`."


def authorise(caller: Caller, operation: str) -> None:
    """Raise PermissionDenied unless the caller may do `operation`, and KeyError for one that is not declared."""
    declared = caller.declared.operations[operation]
    if caller.role != "operator":
        require(caller, declared.permission)
    elif not declared.operator:
        raise PermissionDenied(
            f"An operator may not do this ({operation}): it reads by the operations of the reference."
        )


def require(caller: Caller, permission: Permission) -> None:
    """Raise PermissionDenied unless both the caller's role and its key include `permission`."""
    if permission in caller.permissions:
        return
    if caller.role != "operator" and permission in caller.declared.permissions[caller.role]:
        raise PermissionDenied(f"This key has not the scope '{permission}': use another key of yours that has it.")
    roles = ", ".join(caller.declared.roles_with(permission))
    raise PermissionDenied(f"The role '{caller.role}' may not do this ({permission}); it needs one of: {roles}.")


async def create_principal(tx: WriteTx, *, name: str, role: Role, kind: PrincipalKind) -> UUID:
    """Add a principal to the tenant of the scope and return its id."""
    if role not in ROLES:
        raise Invalid(f"'{role}' is no role: choose one of {', '.join(ROLES)}.", param="role")
    _check_name(name)
    principal_id = new_id()
    await store.insert_principal(tx, principal_id=principal_id, name=name, role=role, kind=kind)
    return principal_id


async def issue_key(
    tx: WriteTx,
    *,
    role: Role,
    name: str,
    holder_id: UUID | None = None,
    scopes: Sequence[Permission] | None = None,
    expires_in_days: int | None = None,
) -> IssuedKey:
    """Make a key for the principal `holder_id`, or for a new one called `name`; its secret is returned this once.

    `role` is that of the holder. With `scopes` the key can do only what both they and the role include.
    """
    _check_name(name)
    if expires_in_days is not None and not 1 <= expires_in_days <= KEY_LIFETIME_MAX_DAYS:
        raise Invalid(f"A key lives 1 to {KEY_LIFETIME_MAX_DAYS} days, not {expires_in_days}.", param="expires_in_days")
    beyond = sorted(set(scopes or ()) - DECLARED.permissions[role])
    if beyond or (scopes is not None and not scopes):
        raise Invalid(
            f"The role '{role}' does not include {', '.join(beyond)}."
            if beyond
            else "A key without scopes can nothing.",
            param="scopes",
        )
    if holder_id is None:
        kind: PrincipalKind = "service_account" if role == "service" else "user"
        holder_id = await create_principal(tx, name=name, role=role, kind=kind)
    prefix, secret = _secret(MEMBER_KEY)
    key = IssuedKey(
        id=new_id(),
        principal_id=holder_id,
        role=role,
        name=name,
        scopes=None if scopes is None else tuple(sorted(set(scopes))),
        prefix=prefix,
        secret=secret,
        expires_at=datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None,
    )
    await store.insert_key(tx, key, secret_sha256=sha256(secret.encode()).digest())
    return key


async def add_operator(tx: KeyholeTx, *, name: str, lifetime_days: int) -> NewOperator:
    """Make an operator above the tenants; its key is returned this once and always ends."""
    _check_name(name)
    if not 1 <= lifetime_days <= OPERATOR_LIFETIME_MAX_DAYS:
        raise Invalid(
            f"An operator's key lives 1 to {OPERATOR_LIFETIME_MAX_DAYS} days, not {lifetime_days}.",
            param="expires_in_days",
        )
    prefix, secret = _secret(OPERATOR_KEY)
    made = NewOperator(new_id(), name, secret, lifetime_days)
    digest = sha256(secret.encode()).digest()
    await store.add_operator(tx, made.id, name=name, prefix=prefix, secret_sha256=digest, lifetime_days=lifetime_days)
    return made


def _secret(kind: str) -> tuple[str, str]:
    """Return the prefix by which a new key is found, and the whole key."""
    prefix = secrets.token_hex(6)
    return prefix, f"{kind}_{prefix}_{secrets.token_urlsafe(32)}"


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= PRINCIPAL_NAME_MAX:
        raise Invalid(f"A name has 1 to {PRINCIPAL_NAME_MAX} characters, not {len(name)}.", param="name")
