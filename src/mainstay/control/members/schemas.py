"""Principals, keys and groups as clients see them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.control.access.models import IssuedKey, PrincipalKind
from mainstay.control.access.operations import Permission, Role
from mainstay.control.members.models import Group, Key, KeyState, Principal
from mainstay.kernel.ids import encode_id

Name = Annotated[str, Field(min_length=1, max_length=200)]
Scopes = Annotated[list[Permission], Field(min_length=1, max_length=32)]


class PrincipalCreate(BaseModel):
    """A principal to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role
    kind: PrincipalKind = "user"


class PrincipalChange(BaseModel):
    """What shall change of a principal; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    disabled: bool | None = None


class KeyCreate(BaseModel):
    """A key to be made, for the caller where no principal is named."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    principal_id: str | None = None
    scopes: Scopes | None = None
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)


class GroupCreate(BaseModel):
    """A group to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class MemberAdd(BaseModel):
    """A principal that shall be in a group."""

    model_config = ConfigDict(extra="forbid")

    principal_id: str


class PrincipalObject(BaseModel):
    """A person or a service account."""

    id: str
    object: Literal["principal"] = "principal"
    name: str
    kind: PrincipalKind
    role: Role
    created_at: int
    disabled_at: int | None

    @classmethod
    def of(cls, principal: Principal) -> "PrincipalObject":
        """Return the outer form of a principal."""
        return cls(
            id=encode_id("usr_", principal.id),
            name=principal.name,
            kind=principal.kind,
            role=principal.role,
            created_at=int(principal.created_at.timestamp()),
            disabled_at=int(principal.disabled_at.timestamp()) if principal.disabled_at else None,
        )


class KeyObject(BaseModel):
    """A key without its secret; `scopes` is null where it may do all that its holder's role may."""

    id: str
    object: Literal["api_key"] = "api_key"
    name: str
    principal_id: str
    prefix: str
    scopes: Sequence[Permission] | None
    state: KeyState
    created_at: int
    expires_at: int | None

    @classmethod
    def of(cls, key: Key) -> "KeyObject":
        """Return the outer form of a key."""
        return cls(
            id=encode_id("key_", key.id),
            name=key.name,
            principal_id=encode_id("usr_", key.principal_id),
            prefix=key.prefix,
            scopes=key.scopes,
            state=key.state,
            created_at=int(key.created_at.timestamp()),
            expires_at=int(key.expires_at.timestamp()) if key.expires_at else None,
        )


class NewKeyObject(BaseModel):
    """A key that was just made; `key` is its secret, which is shown this once."""

    id: str
    object: Literal["api_key"] = "api_key"
    name: str
    principal_id: str
    scopes: Sequence[Permission] | None
    expires_at: int | None
    key: str

    @classmethod
    def of(cls, key: IssuedKey) -> "NewKeyObject":
        """Return the outer form of a new key."""
        return cls(
            id=encode_id("key_", key.id),
            name=key.name,
            principal_id=encode_id("usr_", key.principal_id),
            scopes=key.scopes,
            expires_at=int(key.expires_at.timestamp()) if key.expires_at else None,
            key=key.secret,
        )


class GroupObject(BaseModel):
    """Principals with whom something is shared at once."""

    id: str
    object: Literal["group"] = "group"
    name: str
    created_at: int
    member_count: int

    @classmethod
    def of(cls, group: Group) -> "GroupObject":
        """Return the outer form of a group."""
        return cls(
            id=encode_id("grp_", group.id),
            name=group.name,
            created_at=int(group.created_at.timestamp()),
            member_count=group.member_count,
        )
