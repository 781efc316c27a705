"""Who belongs to a tenant: principals, the keys they hold, and the groups they are in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from mainstay.control.access.models import PrincipalKind
from mainstay.control.access.operations import Permission, Role

KeyState = Literal["active", "expired", "revoked"]


@dataclass(frozen=True)
class Principal:
    """A person or a service account of the tenant; a disabled one can do nothing, and its keys are no keys."""

    id: UUID
    name: str
    kind: PrincipalKind
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True)
class Key:
    """A key without its secret; `scopes` limit it, None where it may do all that its holder's role may."""

    id: UUID
    principal_id: UUID
    name: str
    prefix: str
    scopes: tuple[Permission, ...] | None
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class Group:
    """Principals with whom something is shared at once."""

    id: UUID
    name: str
    created_at: datetime
    member_count: int
