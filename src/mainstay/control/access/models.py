"""Who asks: principals with roles, the keys they hold, and what each role may do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from mainstay.platform.postgres import Scope

Role = Literal["owner", "admin", "reviewer", "engineer", "product", "customer", "service"]
Permission = Literal[
    "ask", "documents.read", "documents.write", "documents.share", "usage.read", "audit.read", "keys.manage"
]
Visibility = Literal["tenant", "private"]

ROLES: tuple[Role, ...] = get_args(Role)

# Whoever reviews or repairs answers must see them; the others see what is theirs or shared.
SEES_ALL: frozenset[Role] = frozenset({"owner", "admin", "reviewer", "engineer"})

_READS: tuple[Permission, ...] = ("ask", "documents.read", "usage.read")
_WRITES: tuple[Permission, ...] = (*_READS, "documents.write")
# To change what everyone in the tenant is answered from. A customer may not: its documents would speak to the others.
_SHARES: tuple[Permission, ...] = (*_WRITES, "documents.share")
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "owner": frozenset(get_args(Permission)),
    "admin": frozenset(get_args(Permission)),
    "reviewer": frozenset(_SHARES),
    "engineer": frozenset((*_SHARES, "audit.read")),
    "product": frozenset(_READS),
    "customer": frozenset(_WRITES),
    "service": frozenset(_SHARES),
}


@dataclass(frozen=True)
class Caller:
    """A principal on one request, as its key proved."""

    tenant_id: UUID
    principal_id: UUID
    key_id: UUID
    role: Role
    request_id: str

    @property
    def scope(self) -> Scope:
        """Return the scope in which this caller's transactions run."""
        return Scope(self.tenant_id, self.principal_id, self.role in SEES_ALL, self.request_id)

    @property
    def visibility_default(self) -> Visibility:
        """Return who sees what this caller makes: a customer's things are private, the staff's are shared."""
        return "private" if self.role == "customer" else "tenant"


@dataclass(frozen=True)
class IssuedKey:
    """A new key; `secret` is shown once and kept nowhere."""

    id: UUID
    principal_id: UUID
    role: Role
    prefix: str
    secret: str
    expires_at: datetime | None
