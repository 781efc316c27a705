"""What one process holds of the limits: the requests it may admit without asking. Pure; the time is given.

A process takes requests out of a limit before it admits them (a lease), and puts back what it did not admit. So no
interleaving of processes admits more in an hour than its limit, and in no span of t seconds more than
`burst + rate · (t + LEASE_S + the time of a call)`: a request that is admitted was taken at most that much earlier.
A process that dies loses what it held, at most half of what was left and no more than its demand of one lease.

The rate is metered by the continuous-state leaky bucket of ITU-T I.371, which is the generic cell rate algorithm; the
hour by a fixed window, because a cap "until the hour is over" is one. Both stand in `keyhole.take_requests`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mainstay.control.limits.errors import LimitsUnavailable, RateLimited
from mainstay.control.limits.models import Ask, Grant, Limits, Quota, Standing, Subject, quotas_of

# A change of a plan or a cap holds everywhere after this and the time of one call.
LEASE_S = 0.5
# How often a limit that has nothing left is asked for at most, so that a flood costs the database nothing.
ASK_AGAIN_S = 0.05
# How long a process refuses after it could not count.
FAILED_S = 0.1
WANTED_MAX = 10_000
# How long the demand of a subject that asks no more is remembered.
REMEMBERED_S = 10.0
# What holds for requests without a key, in this process alone, while the database cannot count and told nothing yet.
KEYLESS_DEFAULT = Limits(requests_per_second=50, requests_burst=200)
_WITHOUT_END = 1 << 62


@dataclass(slots=True)
class Lease:
    """What a process holds for one subject.

    `grant` is None where no limit holds, or none could be had. `failed` says that the database had no part in it: what
    is unspent must not be put back there. `spent` counts what was wanted, refused requests too.
    """

    grant: Grant | None
    unspent: int
    settled_at: float
    expires_at: float
    spent: int = 0
    failed: bool = False

    def is_over(self, now: float) -> bool:
        """Return whether the database is to be asked again."""
        return now >= self.expires_at or (self.unspent == 0 and self.grant is not None and self.grant.granted > 0)


@dataclass(slots=True)
class _Bucket:
    """The leaky bucket of one subject without a key, as this process alone fills it."""

    at: float
    backlog: float = 0.0

    def take(self, wanted: int, rate: float, burst: int, now: float) -> int:
        self.backlog = max(0.0, self.backlog - (now - self.at) * rate)
        self.at = now
        taken = min(wanted, max(0, int(burst - self.backlog)))
        self.backlog += taken
        return taken


class Leases:
    """The leases of one process."""

    def __init__(self) -> None:
        self._held: dict[Subject, Lease] = {}
        self._buckets: dict[Subject, _Bucket] = {}
        self._keyless_limits: dict[Subject, Limits] = {}

    def take(self, subjects: Sequence[Subject], now: float) -> Sequence[Subject]:
        """Admit one request that counts for all of `subjects`, unless some have to be asked for first: return those.

        Raises RateLimited where nothing is left of one, and LimitsUnavailable where one cannot be counted; then the
        request counts for none.
        """
        missing: list[Subject] = []
        for subject in subjects:
            lease = self._held.get(subject)
            if lease is None or lease.is_over(now):
                missing.append(subject)
            else:
                self._require_left(subjects, lease, now)
        if not missing:
            for subject in subjects:
                lease = self._held[subject]
                lease.unspent -= 1
                lease.spent += 1
        return missing

    def require_left(self, subjects: Iterable[Subject], now: float) -> None:
        """Raise as `take` does where it is known that nothing is left; else do nothing."""
        for subject in subjects:
            lease = self._held.get(subject)
            if lease is not None and not lease.is_over(now):
                self._require_left(subjects, lease, now)

    def _require_left(self, subjects: Iterable[Subject], lease: Lease, now: float) -> None:
        if lease.failed and lease.grant is None:
            raise LimitsUnavailable("The database cannot count requests at the moment; try again.")
        if lease.unspent < 1:
            lease.spent += 1
            wait_s = _wait_s(lease, now)
            raise RateLimited(Standing(self._quotas(subjects, now), max(0.001, wait_s)))

    def standing(self, subjects: Iterable[Subject], now: float) -> Standing:
        """Return how the limits of `subjects` stand, as far as this process knows."""
        return Standing(self._quotas(subjects, now))

    def _quotas(self, subjects: Iterable[Subject], now: float) -> list[Quota]:
        quotas: list[Quota] = []
        for subject in subjects:
            lease = self._held.get(subject)
            if lease is not None and lease.grant is not None:
                age_s = now - lease.settled_at
                quotas += quotas_of(subject, lease.grant, unspent=lease.unspent, age_s=age_s)
        return quotas

    def ask(self, subject: Subject, waiting: int, now: float) -> Ask:
        """Return what to ask for `subject`: enough for those that wait and for what it used of late."""
        lease = self._held.get(subject)
        if lease is None or lease.grant is None:
            return Ask(subject, waiting)
        demand = lease.spent if now >= lease.expires_at else lease.spent * 2
        wanted = min(WANTED_MAX, max(waiting, demand)) if waiting else 0
        returned, lease.unspent = 0 if lease.failed else lease.unspent, 0
        return Ask(subject, wanted, returned, lease.grant.hour)

    def settle(self, ask: Ask, grant: Grant | None, *, sent_at: float, now: float) -> None:
        """Note what the database answered; None says that no limit holds."""
        if grant is None:
            self._held[ask.subject] = Lease(None, _WITHOUT_END, now, now + LEASE_S)
            return
        before = self._held.get(ask.subject)
        lease = Lease(grant, grant.granted, now, min(now + LEASE_S, sent_at + grant.hour_ends_s))
        if not ask.wanted:
            # Only something was put back: the next request asks, for what was wanted of late.
            lease.expires_at, lease.spent = now, before.spent if before else 0
        elif not grant.granted:
            lease.expires_at = min(lease.expires_at, now + max(ASK_AGAIN_S, _wait_s(lease, now)))
        self._held[ask.subject] = lease
        if ask.subject.is_keyless:
            self._keyless_limits[ask.subject] = grant.limits

    def fail(self, ask: Ask, now: float) -> None:
        """Note that the database could not count.

        With a key nothing is admitted: the database proves keys too, so nothing is lost by it. Without one this process
        counts for itself, so that the page and the refusals are served, and a flood is still bounded.
        """
        if not ask.subject.is_keyless:
            self._held[ask.subject] = Lease(None, 0, now, now + FAILED_S, failed=True)
            return
        known = self._keyless_limits.get(ask.subject, KEYLESS_DEFAULT)
        rate, burst = known.requests_per_second or 1.0, known.requests_burst or 1
        bucket = self._buckets.setdefault(ask.subject, _Bucket(now))
        taken = bucket.take(max(1, ask.wanted), rate, burst, now)
        limits = Limits(rate, burst)
        grant = Grant(taken, limits, burst - bucket.backlog, None, 0, _WITHOUT_END)
        expires_at = now + (LEASE_S if taken else max(ASK_AGAIN_S, 1 / rate))
        self._held[ask.subject] = Lease(grant, taken, now, expires_at, failed=True)

    def to_return(self, now: float) -> list[Subject]:
        """Return the subjects of which something is to be put back, and forget those that were idle for long."""
        for subject in [one for one, lease in self._held.items() if now >= lease.expires_at + REMEMBERED_S]:
            lease = self._held[subject]
            if lease.unspent == 0 or lease.grant is None or lease.failed:
                del self._held[subject]
                self._buckets.pop(subject, None)
                self._keyless_limits.pop(subject, None)
        return [
            subject
            for subject, lease in self._held.items()
            if lease.grant is not None and not lease.failed and lease.unspent > 0 and now >= lease.expires_at
        ]

    def unspent(self, subject: Subject) -> int:
        """Return how many requests of a limit this process may yet admit."""
        lease = self._held.get(subject)
        return lease.unspent if lease is not None and lease.grant is not None else 0

    def hour_of(self, subject: Subject) -> int | None:
        """Return the hour, counted from 1970, for which a limit was last asked, or None."""
        lease = self._held.get(subject)
        return lease.grant.hour if lease is not None and lease.grant is not None else None

    def __len__(self) -> int:
        return len(self._held)


def _wait_s(lease: Lease, now: float) -> float:
    """Return the seconds until a limit that has nothing left has something again."""
    grant = lease.grant
    if grant is None:
        return 0.0
    wait_s = 0.0
    rate = grant.limits.requests_per_second
    if grant.burst_left is not None and rate is not None and grant.burst_left < 1:
        wait_s = (1 - grant.burst_left) / rate
    if grant.hour_left is not None and grant.hour_left < 1:
        wait_s = max(wait_s, grant.hour_ends_s)
    return wait_s - (now - lease.settled_at)
