"""Who a transaction works for, and the key that signs it.

The runtime role may set any setting, so a setting alone proves nothing: a statement that someone smuggled in could name
another tenant. The database believes a scope only with its HMAC (migration 0007), and the key never reaches a place
that the runtime role can read. Nor does a signed scope: it is bound as a parameter and stands in no statement's text,
since `pg_stat_activity` shows the texts of every session of the role.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from mainstay.kernel.errors import MainstayError

# What the transactions of a scope run as: the policies of the one ask whether it sees all, those of the other what it
# sees. The role proves nothing by itself.
WIDE_ROLE = "mainstay_wide"
NARROW_ROLE = "mainstay_narrow"
# At least 192 random bits; a longer key than a block of SHA-256 would be hashed first, which the database does not do.
KEY_BYTES_MIN = 24
KEY_BYTES_MAX = 64


class InvalidScopeKey(MainstayError):
    """There is no key that can sign scopes, or the database does not know it."""

    kind = "unavailable"
    code = "invalid_scope_key"


@dataclass(frozen=True)
class Scope:
    """Who a transaction works for: one tenant, one principal in it, and whether that one sees what others own.

    `request_id` names the request that caused it, so that audit, usage and jobs can be tied to it.
    """

    tenant_id: UUID
    principal_id: UUID
    sees_all: bool = False
    request_id: str = "none"

    @property
    def role(self) -> str:
        """Return the role that its transactions run as."""
        return WIDE_ROLE if self.sees_all else NARROW_ROLE


@dataclass(frozen=True)
class ScopeKey:
    """Random bytes with which scopes are signed; every process of a system has the same ones."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not KEY_BYTES_MIN <= len(self.secret) <= KEY_BYTES_MAX:
            raise InvalidScopeKey(
                f"A scope key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes, not {len(self.secret)}:"
                " make one with `openssl rand -hex 32`."
            )

    @classmethod
    def of_hex(cls, text: str) -> "ScopeKey":
        """Return the key that `text` holds as hexadecimal digits; raises InvalidScopeKey."""
        try:
            return cls(bytes.fromhex(text.strip()))
        except ValueError:
            raise InvalidScopeKey(
                "A scope key is written in hexadecimal digits alone: make one with `openssl rand -hex 32`."
            ) from None

    @property
    def id(self) -> str:
        """Return the name under which the database finds the key; it tells nothing of it."""
        return sha256(b"mainstay scope key " + self.secret).hexdigest()[:16]

    def blocks(self) -> tuple[bytes, bytes]:
        """Return the inner and the outer block of HMAC-SHA256 (RFC 2104, section 2), which the database keeps."""
        padded = self.secret.ljust(KEY_BYTES_MAX, b"\0")
        return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)

    def sign(self, scope: Scope) -> str:
        """Return the value of the setting `mainstay.scope`: key, tenant, principal, whether it sees all, HMAC."""
        said = f"{self.id}.{scope.tenant_id}.{scope.principal_id}.{'t' if scope.sees_all else 'f'}"
        return f"{said}.{hmac.digest(self.secret, said.encode(), 'sha256').hex()}"


def load_scope_key(given: str | None, file: Path) -> ScopeKey:
    """Return the key that was `given`, or else the one that `mainstay up` keeps in `file`; raises InvalidScopeKey."""
    if given is not None:
        return ScopeKey.of_hex(given)
    try:
        return ScopeKey.of_hex(file.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidScopeKey(
            "There is no key to sign scopes with: set MAINSTAY_SCOPE_KEY, or run `mainstay up`, which keeps one in"
            f" {file} ({error})."
        ) from error
