"""The rules of the door: a key is proved once a request, and a role may do what its row of the table says.

A key reads `ms_<prefix of 12>_<secret of 43>`: the prefix finds it, and its SHA-256 proves it.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from mainstay.control.access import store
from mainstay.control.access.errors import InvalidKey, PermissionDenied
from mainstay.control.access.models import PERMISSIONS, ROLES, Caller, IssuedKey, Permission, Role
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database, WriteTx

KEY_LIFETIME_MAX_DAYS = 3650
PRINCIPAL_NAME_MAX = 200
_KEY = re.compile(r"ms_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


async def authenticate(database: Database, key: str | None, *, request_id: str) -> Caller:
    """Return who holds `key`; raises InvalidKey, without telling why it is not valid."""
    match = _KEY.fullmatch(key) if key else None
    if not key or not match:
        raise InvalidKey(
            "No valid API key was given: send it as `Authorization: Bearer ms_…`."
            if not key
            else f"Incorrect API key provided: {key[:6]}…: check it, or make one with `mainstay keys create`."
        )
    async with database.keyhole_statements() as tx:
        caller = await store.find_key(tx, match[1], sha256(key.encode()).digest(), request_id=request_id)
    if caller is None:
        raise InvalidKey(f"Incorrect API key provided: {key[:6]}…: check it, or make one with `mainstay keys create`.")
    return caller


def require(caller: Caller, permission: Permission) -> None:
    """Raise PermissionDenied unless the caller's role includes `permission`."""
    if permission not in PERMISSIONS[caller.role]:
        roles = ", ".join(role for role in ROLES if permission in PERMISSIONS[role])
        raise PermissionDenied(f"The role '{caller.role}' may not do this ({permission}); it needs one of: {roles}.")


async def issue_key(
    tx: WriteTx, *, role: Role, name: str, holder_id: UUID | None = None, expires_in_days: int | None = None
) -> IssuedKey:
    """Make a key for the principal `holder_id`, or for a new one called `name`; its secret is returned this once."""
    if role not in ROLES:
        raise Invalid(f"'{role}' is no role: choose one of {', '.join(ROLES)}.", param="role")
    if not 1 <= len(name) <= PRINCIPAL_NAME_MAX:
        raise Invalid(f"A name has 1 to {PRINCIPAL_NAME_MAX} characters, not {len(name)}.", param="name")
    if expires_in_days is not None and not 1 <= expires_in_days <= KEY_LIFETIME_MAX_DAYS:
        raise Invalid(f"A key lives 1 to {KEY_LIFETIME_MAX_DAYS} days, not {expires_in_days}.", param="expires_in_days")
    if holder_id is None:
        holder_id = new_id()
        await store.insert_principal(tx, principal_id=holder_id, name=name, role=role)
    prefix = secrets.token_hex(6)
    secret = f"ms_{prefix}_{secrets.token_urlsafe(32)}"
    key_id = new_id()
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    await store.insert_key(
        tx,
        key_id=key_id,
        holder_id=holder_id,
        prefix=prefix,
        secret_sha256=sha256(secret.encode()).digest(),
        role=role,
        expires_at=expires_at,
    )
    return IssuedKey(key_id, holder_id, role, prefix, secret, expires_at)
