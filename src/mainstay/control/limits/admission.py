"""The flow of limits: every request is admitted here, most of them without asking the database."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from hashlib import sha256

import structlog

from mainstay.control.access.models import Caller
from mainstay.control.limits import service, store
from mainstay.control.limits.errors import LimitsUnavailable, RateLimited
from mainstay.control.limits.leases import LEASE_S, Leases
from mainstay.control.limits.models import EVERYONE, Ask, Quota, Standing, Subject, quotas_of, subject_of_address
from mainstay.kernel.errors import MainstayError, Unavailable
from mainstay.kernel.ids import encode_id
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry.metrics import REQUESTS_REFUSED

log = structlog.get_logger(__name__)

TAKE_TIMEOUT_S = 5.0
# A request that others were quicker than asks again; where so many were, it is refused.
ASKS_MAX = 20
# A key that was proved in this process is known for so long: it passes where strangers are refused.
KNOWN_S = 300.0
# Where its limit has nothing left, it is refused without being proved again for so long; then one request is let
# through to be proved, so that a key that was revoked meanwhile is soon no key, whatever is left of its limit.
UNPROVED_S = 0.5
KNOWN_MAX = 10_000
SUBJECTS_A_CALL_MAX = 1_000


class Admission:
    """Admits requests of one process, or refuses them with RateLimited or LimitsUnavailable.

    `calls` is how often the database was asked.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._leases = Leases()
        self._known = _KnownKeys()
        self._waiting: dict[Subject, int] = {}
        # At most one call is under way and one waits for it, with everything that came meanwhile.
        self._under_way: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._returning: asyncio.TimerHandle | None = None
        self._reached: OrderedDict[Subject, int] = OrderedDict()
        self.calls = 0

    async def arrive(self, key: str | None, address: str) -> None:
        """Let a request in whose key is not proved yet, before it costs the database anything.

        A request without a key, or with one that this process does not know, counts for its address and for everyone
        without a key. So a flood is refused here, and does not keep those out whose keys are known.
        """
        now = self._clock()
        known = self._known.find(key, now) if key else None
        if not key or known is None:
            await self._admit((subject_of_address(address), EVERYONE))
            return
        try:
            self._leases.require_left(known, now)
        except RateLimited as refused:
            if self._known.is_to_be_proved(key, now):
                return
            _count(refused)
            raise

    async def admit(self, key: str, caller: Caller) -> Standing:
        """Count a request of a caller whose key was proved, and return how its limits stand now."""
        subjects = self._known.find(key, self._clock()) or subjects_of(caller)
        self._known.add(key, subjects, self._clock())
        try:
            await self._admit(subjects)
        except RateLimited as refused:
            for quota in refused.standing.quotas:
                if quota.window == "hour" and quota.left == 0 and quota.subject.kind in ("principal", "key"):
                    await self._record_reached(caller, quota)
            raise
        return self._leases.standing(subjects, self._clock())

    def forget(self, key: str) -> None:
        """Note that a key is not valid any more."""
        self._known.remove(key)

    async def read(self, caller: Caller) -> Standing:
        """Return how the limits of a caller stand, asked of the database anew."""
        asks = [Ask(subject, 0) for subject in subjects_of(caller)]
        async with self._database.keyhole_statements() as tx:
            grants = await store.take_requests(tx, asks)
        quotas: list[Quota] = []
        for ask in asks:
            grant = grants.get((ask.subject.tenant_id, ask.subject.id))
            if grant is not None:
                quotas += quotas_of(ask.subject, grant, unspent=self._leases.unspent(ask.subject), age_s=0)
        return Standing(quotas)

    async def close(self) -> None:
        """Put back what was not admitted."""
        if self._returning:
            self._returning.cancel()
        for subject in self._leases.to_return(float("inf")):
            self._waiting.setdefault(subject, 0)
        if self._waiting:
            await asyncio.wait([self._call()], timeout=TAKE_TIMEOUT_S)

    async def _admit(self, subjects: Sequence[Subject]) -> None:
        try:
            for _ in range(ASKS_MAX):
                missing = self._leases.take(subjects, self._clock())
                if not missing:
                    return
                for subject in missing:
                    self._waiting[subject] = self._waiting.get(subject, 0) + 1
                await asyncio.shield(self._call())
            raise self._outrun(subjects)
        except RateLimited as refused:
            _count(refused)
            raise

    def _outrun(self, subjects: Sequence[Subject]) -> MainstayError:
        quotas = self._leases.standing(subjects, self._clock()).quotas
        return RateLimited(Standing(quotas, LEASE_S)) if quotas else LimitsUnavailable("Too many requests at once.")

    def _call(self) -> asyncio.Task[None]:
        """Return the next call, which asks for everything that waits when it begins."""
        if self._next is None:
            # Apart from the request that happens to begin it: with its log context the next one's would be lost.
            self._next = asyncio.create_task(self._take(self._under_way), context=Context())
        return self._next

    async def _take(self, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        waiting = list(self._waiting.items())[:SUBJECTS_A_CALL_MAX]
        for subject, _ in waiting:
            del self._waiting[subject]
        self.calls += 1
        sent_at = self._clock()
        asks = [self._leases.ask(subject, count, sent_at) for subject, count in waiting]
        try:
            async with asyncio.timeout(TAKE_TIMEOUT_S), self._database.keyhole_statements() as tx:
                grants = await store.take_requests(tx, asks)
        except (Unavailable, TimeoutError) as error:
            log.warning("requests_not_counted", error=str(error) or type(error).__name__, subjects=len(asks))
            for ask in asks:
                self._leases.fail(ask, self._clock())
        else:
            now = self._clock()
            for ask in asks:
                grant = grants.get((ask.subject.tenant_id, ask.subject.id))
                self._leases.settle(ask, grant, sent_at=sent_at, now=now)
        if self._returning is None and len(self._leases):
            self._returning = asyncio.get_running_loop().call_later(LEASE_S, self._return)

    def _return(self) -> None:
        """Put back what expired, and look again as long as something is held."""
        self._returning = None
        unspent = self._leases.to_return(self._clock())
        for subject in unspent:
            self._waiting.setdefault(subject, 0)
        if unspent:
            self._call()
        elif len(self._leases):
            self._returning = asyncio.get_running_loop().call_later(LEASE_S, self._return)

    async def _record_reached(self, caller: Caller, quota: Quota) -> None:
        subject = quota.subject
        hour = self._leases.hour_of(subject)
        if hour is None or self._reached.get(subject) == hour:
            return
        outer_id = encode_id("key_" if subject.kind == "key" else "usr_", subject.id)
        try:
            async with self._database.write(caller.scope) as tx:
                await service.record_reached(tx, outer_id, subject.id, hour=hour, requests_per_hour=quota.limit)
        except Unavailable as error:
            # The refusal stands; the next one tries to tell of it again.
            log.warning("reached_cap_not_recorded", error=error.message)
            return
        self._reached[subject] = hour
        if len(self._reached) > KNOWN_MAX:
            self._reached.popitem(last=False)


class _KnownKeys:
    """The keys that this process has proved of late, by their digests, and whom they count for."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, _KnownKey] = OrderedDict()

    def find(self, key: str, now: float) -> Sequence[Subject] | None:
        known = self._keys.get(_digest(key))
        return known.subjects if known is not None and now < known.proved_at + KNOWN_S else None

    def is_to_be_proved(self, key: str, now: float) -> bool:
        """Return whether the time to prove a known key again has come; of many requests the first is told so."""
        known = self._keys[_digest(key)]
        if now < known.asked_at + UNPROVED_S:
            return False
        known.asked_at = now
        return True

    def add(self, key: str, subjects: Sequence[Subject], now: float) -> None:
        digest = _digest(key)
        self._keys[digest] = _KnownKey(subjects, proved_at=now, asked_at=now)
        self._keys.move_to_end(digest)
        if len(self._keys) > KNOWN_MAX:
            self._keys.popitem(last=False)

    def remove(self, key: str) -> None:
        self._keys.pop(_digest(key), None)


@dataclass(slots=True)
class _KnownKey:
    """For whom a key counts, when it was last proved, and when that was last asked for."""

    subjects: Sequence[Subject]
    proved_at: float
    asked_at: float


def subjects_of(caller: Caller) -> Sequence[Subject]:
    """Return for whom a request of this caller counts."""
    tenant_id = caller.tenant_id
    return (
        Subject("tenant", tenant_id, tenant_id),
        Subject("principal", tenant_id, caller.principal_id),
        Subject("key", tenant_id, caller.key_id),
    )


def _count(refused: RateLimited) -> None:
    quota = refused.standing.tightest
    REQUESTS_REFUSED.labels(quota.subject.kind, quota.window).inc()


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
