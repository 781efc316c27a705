"""Schedules: what is declared of jobs that are due by the clock, and which of their due times become jobs.

A schedule is due by the time of the database. Whoever looks first makes the jobs of what is due; usually that is one
due time, a few seconds old. After an outage several were missed, and `catch_up` says what becomes of them:

========  ==========================================================================================
`skip`    nothing, but for the newest if it is at most ON_TIME_S old: work that is worth nothing late
`last`    one job, for the newest: work that brings something up to date
`all`     a job for each, the newest CATCH_UP_MAX at most: work that belongs to its due time
========  ==========================================================================================

The next due time is always the first after now. Times during a pause are not missed: somebody wanted them to pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, cast
from zoneinfo import ZoneInfo

from mainstay.platform.jobs.cron import Cron
from mainstay.platform.jobs.limits import CATCH_UP_MAX, ON_TIME_S
from mainstay.platform.jobs.models import JobKind, check_name
from mainstay.platform.jobs.payloads import PayloadT

CatchUp = Literal["skip", "last", "all"]


@dataclass(frozen=True)
class Firing:
    """The due times that become jobs now, oldest first, and when the schedule is due next."""

    due: Sequence[datetime]
    next_due_at: datetime


@dataclass(frozen=True)
class Schedule(Generic[PayloadT]):
    """A job of `kind` for each tenant, whenever `cron` is due in `timezone`; names are unique in the system.

    `payload` is what each job gets, or a function of the due time (in `timezone`) that returns it. Two jobs of one
    schedule may run at the same time where one takes longer than the time between two due times.
    """

    name: str
    kind: JobKind[PayloadT]
    _: KW_ONLY
    cron: str
    timezone: str = "UTC"
    payload: PayloadT | Callable[[datetime], PayloadT]
    catch_up: CatchUp = "last"
    times: Cron = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name("Schedule", "name", self.name)
        if self.catch_up not in ("skip", "last", "all"):
            raise ValueError(f"Schedule '{self.name}': catch_up must be skip, last or all, not '{self.catch_up}'")
        try:
            object.__setattr__(self, "times", Cron(self.cron, self.timezone))
        except ValueError as error:
            raise ValueError(f"Schedule '{self.name}': {error}") from None
        if not callable(self.payload):
            self.kind.payloads.write(self.payload)

    def payload_of(self, due_at: datetime) -> PayloadT:
        """Return what the job of one due time gets."""
        if callable(self.payload):
            local = due_at.astimezone(ZoneInfo(self.timezone))
            return cast("Callable[[datetime], PayloadT]", self.payload)(local)
        return self.payload

    def fire(self, due_at: datetime, now: datetime) -> Firing:
        """Return what becomes of the due time `due_at`, which is not after `now`, and of those between the two."""
        count_max = CATCH_UP_MAX if self.catch_up == "all" else 1
        due = list(self.times.newest(due_at, now, count_max))
        if len(due) < count_max:
            # It was due when it was written down, also if the expression was changed since.
            due.insert(0, due_at.astimezone(UTC))
        if self.catch_up == "skip" and now - due[-1] > timedelta(seconds=ON_TIME_S):
            due = []
        return Firing(due, self.times.after(now))
