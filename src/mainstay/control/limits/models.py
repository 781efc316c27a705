"""Limits on requests: whose they are, what they allow, what is left, and what one process may yet admit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import Literal
from uuid import UUID

SubjectKind = Literal["tenant", "principal", "key", "address", "everyone"]
Window = Literal["burst", "hour"]

HOUR_S = 3600
# An address is counted under one of as many numbers as two bytes of its digest have: that bounds the table, and names
# nobody. Two addresses that share a number share a limit, as two behind one gateway do.
_NOBODY = UUID(int=0)
_WORDS: dict[SubjectKind, str] = {
    "tenant": "this tenant",
    "principal": "this principal",
    "key": "this key",
    "address": "this address, without a valid key,",
    "everyone": "those without a valid key, together,",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose requests are counted together."""

    kind: SubjectKind
    tenant_id: UUID
    id: UUID

    @property
    def words(self) -> str:
        """Return what an error message calls it."""
        return _WORDS[self.kind]

    @property
    def is_keyless(self) -> bool:
        """Return whether it stands for requests without a proven key."""
        return self.tenant_id == _NOBODY


EVERYONE = Subject("everyone", _NOBODY, _NOBODY)


def subject_of_address(address: str) -> Subject:
    """Return under which subject an address is counted; of IPv6 its network of 64 bits, which one client can have."""
    try:
        parsed = ip_address(address)
        packed = parsed.packed[:8] if parsed.version == 6 else parsed.packed
    except ValueError:
        packed = address.encode()
    return Subject("address", _NOBODY, UUID(int=1 + int.from_bytes(sha256(packed).digest()[:2])))


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; None is no limit. A burst is what may come at once before the rate a second counts."""

    requests_per_second: float | None = None
    requests_burst: int | None = None
    requests_per_hour: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True)
class Plan:
    """Limits with a name."""

    name: str
    for_tenants: bool
    limits: Limits


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process wants for one subject, and what it puts back of what it took in an hour (counted from 1970)."""

    subject: Subject
    wanted: int
    returned: int = 0
    returned_hour: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """What the database gave for one subject: requests that may be admitted, and what is left beside them."""

    granted: int
    limits: Limits
    burst_left: float | None
    hour_left: int | None
    hour: int
    hour_ends_s: float


@dataclass(frozen=True, slots=True)
class Quota:
    """How one window of one subject stands: of `limit` requests `left` remain, and all do again after `resets_s`."""

    subject: Subject
    window: Window
    limit: int
    left: int
    window_s: int
    resets_s: float
    requests_per_second: float | None = None

    @property
    def words(self) -> str:
        """Return what an error message says of it."""
        if self.window == "hour":
            return f"{self.limit} requests an hour"
        return f"{self.requests_per_second:g} requests a second and {self.limit} at once"


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything that holds for one request stands; `retry_after_s` is 0 where it was admitted."""

    quotas: Sequence[Quota]
    retry_after_s: float = 0.0

    @property
    def tightest(self) -> Quota:
        """Return the quota that ends first: the one with the least left, of two such that which lasts longer."""
        return min(self.quotas, key=lambda quota: (quota.left, -quota.resets_s))


def quotas_of(subject: Subject, grant: Grant, *, unspent: int, age_s: float) -> list[Quota]:
    """Return how the windows of `subject` stand `age_s` after `grant`, of which `unspent` requests are left."""
    quotas: list[Quota] = []
    limits = grant.limits
    rate, burst = limits.requests_per_second, limits.requests_burst
    if rate is not None and burst is not None and grant.burst_left is not None:
        left = min(float(burst), grant.burst_left + unspent + age_s * rate)
        window_s = max(1, math.ceil(burst / rate))
        resets_s = max(0.0, (burst - left) / rate)
        quotas.append(Quota(subject, "burst", burst, max(0, int(left)), window_s, resets_s, rate))
    if limits.requests_per_hour is not None and grant.hour_left is not None:
        left_in_hour = max(0, grant.hour_left + unspent)
        resets_s = max(0.0, grant.hour_ends_s - age_s)
        quotas.append(Quota(subject, "hour", limits.requests_per_hour, left_in_hour, HOUR_S, resets_s))
    return quotas
