"""Who asks: principals with roles, and the keys they hold."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from mainstay.control.access.operations import DECLARED, Permission, Role, Table
from mainstay.platform.postgres import Scope

Visibility = Literal["tenant", "private"]
PrincipalKind = Literal["user", "service_account"]

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Caller:
    """A principal on one request, as its key proved; `scopes` limit the key, None where it may do all its role may.

    The role `operator` is of somebody above the tenants, who looks into the one that the request names. What a role may
    do and see is as `declared` has it.
    """

    tenant_id: UUID
    principal_id: UUID
    key_id: UUID
    role: Role | Literal["operator"]
    request_id: str
    scopes: frozenset[Permission] | None = None
    declared: Table = field(default=DECLARED, repr=False, compare=False)

    @property
    def permissions(self) -> frozenset[Permission]:
        """Return what both the role and the key include; an operator has none and reads by name of operation."""
        if self.role == "operator":
            return frozenset()
        held = self.declared.permissions[self.role]
        return held if self.scopes is None else held & self.scopes

    @property
    def scope(self) -> Scope:
        """Return the scope in which this caller's transactions run."""
        sees_all = self.role == "operator" or self.role in self.declared.sees_all
        return Scope(self.tenant_id, self.principal_id, sees_all, self.request_id)

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
    name: str
    scopes: tuple[Permission, ...] | None
    prefix: str
    secret: str
    expires_at: datetime | None


@dataclass(frozen=True)
class Operator:
    """Who holds an operator's key, and the tenant that the request names, None where there is no such tenant."""

    id: UUID
    tenant_id: UUID | None


@dataclass(frozen=True)
class NewOperator:
    """A new operator; `secret` is its key, shown once and kept nowhere."""

    id: UUID
    name: str
    secret: str
    lifetime_days: int
