"""Jobs as a person sees them: one with its history and its outlook, and queues with theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

JobState = Literal["queued", "running", "waiting", "succeeded", "cancelled", "failed", "dead"]
AttemptOutcome = Literal["retried", "failed", "lease_expired", "cancelled"]


@dataclass(frozen=True)
class Job:
    """One job; `elapsed_s` is how long its attempt has taken so far, by the clock of the database."""

    id: UUID
    principal_id: UUID
    parent_id: UUID | None
    request_id: str
    queue: str
    kind: str
    state: JobState
    priority: int
    attempt: int
    attempts_max: int
    redrives: int
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    progress_done: int | None
    progress_total: int | None
    result: Any
    result_object: str | None
    error_code: str | None
    error: str | None
    elapsed_s: float | None


@dataclass(frozen=True)
class Attempt:
    """An attempt that did not end well."""

    fence: int
    attempt: int
    worker: str | None
    started_at: datetime | None
    ended_at: datetime
    outcome: AttemptOutcome
    error_code: str | None
    error: str | None


@dataclass(frozen=True)
class ChildCounts:
    """How many children a job has in each state, and how long ago the first of them began."""

    by_state: Mapping[JobState, int]
    elapsed_s: float | None

    @property
    def total(self) -> int:
        """Return how many there are."""
        return sum(self.by_state.values())

    @property
    def ended(self) -> int:
        """Return how many have ended, well or not."""
        return sum(self.by_state.get(state, 0) for state in ("succeeded", "cancelled", "dead"))


@dataclass(frozen=True)
class JobDetail:
    """One job with what it is about, the attempts that ended badly, newest first, and its children in numbers."""

    job: Job
    payload: Mapping[str, Any]
    attempts: Sequence[Attempt]
    children: ChildCounts

    @property
    def eta_s(self) -> float | None:
        """Return in how many seconds the job ends if it goes on as it did; None where nothing tells.

        It goes by the job's own progress, or else by that of its children.
        """
        job = self.job
        if job.state == "running" and job.progress_total:
            return _time_left(job.progress_done or 0, job.progress_total, job.elapsed_s)
        if job.state == "waiting" and self.children.total:
            return _time_left(self.children.ended, self.children.total, self.children.elapsed_s)
        return None


@dataclass(frozen=True)
class QueueStats:
    """One queue of the tenant: what is in it now, and what happened in the window before now."""

    queue: str
    depth: Mapping[JobState, int]
    oldest_due_s: float
    window_s: float
    succeeded: int
    attempts: Mapping[str, int]

    @property
    def throughput_per_s(self) -> float:
        """Return how many jobs succeeded in a second of the window."""
        return self.succeeded / self.window_s

    @property
    def eta_s(self) -> float | None:
        """Return in how many seconds the queue is empty at this throughput; None where nothing succeeded."""
        left = sum(self.depth.get(state, 0) for state in ("queued", "running"))
        if not left:
            return 0.0
        return left / self.throughput_per_s if self.succeeded else None


@dataclass(frozen=True)
class Redriven:
    """Dead letters that were queued again, and whether more are left."""

    ids: Sequence[UUID]
    has_more: bool


def _time_left(done: int, total: int, elapsed_s: float | None) -> float | None:
    return (total - done) * elapsed_s / done if done and elapsed_s is not None else None
