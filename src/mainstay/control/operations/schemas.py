"""Jobs and queues as clients see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mainstay.control.operations.models import Attempt, AttemptOutcome, Job, JobDetail, JobState, QueueStats, Redriven
from mainstay.kernel.ids import encode_id

Name = Annotated[str, Field(min_length=1, max_length=64)]


class RedriveMany(BaseModel):
    """Which dead letters shall be queued again: those of a queue, of a kind, or of both."""

    model_config = ConfigDict(extra="forbid")

    queue: Name | None = None
    kind: Name | None = None
    limit: int = 100


class Progress(BaseModel):
    """How far a job is; `total` is left out where nobody knows it."""

    done: int
    total: int | None


class JobError(BaseModel):
    """Why the last attempt did not end well, or the job ended."""

    code: str
    message: str


class JobObject(BaseModel):
    """A job."""

    id: str
    object: Literal["job"] = "job"
    kind: str
    queue: str
    state: JobState
    priority: int
    attempt: int
    attempts_max: int
    redrives: int
    principal_id: str
    parent_id: str | None
    request_id: str
    created_at: int
    run_at: int
    started_at: int | None
    finished_at: int | None
    cancel_requested_at: int | None
    progress: Progress | None
    has_result: bool
    error: JobError | None

    @classmethod
    def of(cls, job: Job) -> "JobObject":
        """Return the outer form of a job."""
        return cls(**_fields(job))


class AttemptObject(BaseModel):
    """An attempt that did not end well."""

    object: Literal["job.attempt"] = "job.attempt"
    attempt: int
    worker: str | None
    started_at: int | None
    ended_at: int
    outcome: AttemptOutcome
    error: JobError | None

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptObject":
        """Return the outer form of an attempt."""
        return cls(
            attempt=attempt.attempt,
            worker=attempt.worker,
            started_at=_seconds(attempt.started_at),
            ended_at=int(attempt.ended_at.timestamp()),
            outcome=attempt.outcome,
            error=_error(attempt.error_code, attempt.error),
        )


class JobDetailObject(JobObject):
    """A job with what it is about, its result, the attempts that ended badly, its children and its outlook.

    `result` is JSON; a larger one is an object, whose bytes `/v1/jobs/{id}/content` answers with.
    """

    payload: Mapping[str, Any]
    result: Any
    attempts: Sequence[AttemptObject]
    children: Mapping[JobState, int]
    eta_s: float | None

    @classmethod
    def of_detail(cls, detail: JobDetail) -> "JobDetailObject":
        """Return the outer form of a job with its details."""
        return cls(
            **_fields(detail.job),
            payload=detail.payload,
            result=detail.job.result,
            attempts=[AttemptObject.of(one) for one in detail.attempts],
            children=detail.children.by_state,
            eta_s=_rounded(detail.eta_s),
        )


class RedrivenObject(BaseModel):
    """The dead letters that were queued again; `has_more` says that others are left."""

    object: Literal["job.redrive"] = "job.redrive"
    ids: Sequence[str]
    has_more: bool

    @classmethod
    def of(cls, redriven: Redriven) -> "RedrivenObject":
        """Return the outer form of what was redriven."""
        return cls(ids=[encode_id("job_", one) for one in redriven.ids], has_more=redriven.has_more)


class QueueStatsObject(BaseModel):
    """One queue: its jobs by state now, and how attempts ended in the last `window_s` seconds."""

    id: str
    object: Literal["queue.stats"] = "queue.stats"
    depth: Mapping[JobState, int]
    oldest_due_s: float
    dead: int
    window_s: float
    throughput_per_s: float
    attempts: Mapping[str, int]
    eta_s: float | None

    @classmethod
    def of(cls, stats: QueueStats) -> "QueueStatsObject":
        """Return the outer form of a queue's figures."""
        return cls(
            id=stats.queue,
            depth={state: jobs for state, jobs in stats.depth.items() if state != "dead"},
            oldest_due_s=round(stats.oldest_due_s, 3),
            dead=stats.depth.get("dead", 0),
            window_s=stats.window_s,
            throughput_per_s=round(stats.throughput_per_s, 4),
            attempts=stats.attempts,
            eta_s=_rounded(stats.eta_s),
        )


def _fields(job: Job) -> dict[str, Any]:
    return {
        "id": encode_id("job_", job.id),
        "kind": job.kind,
        "queue": job.queue,
        "state": job.state,
        "priority": job.priority,
        "attempt": job.attempt,
        "attempts_max": job.attempts_max,
        "redrives": job.redrives,
        "principal_id": encode_id("usr_", job.principal_id),
        "parent_id": encode_id("job_", job.parent_id) if job.parent_id else None,
        "request_id": job.request_id,
        "created_at": _seconds(job.created_at),
        "run_at": _seconds(job.run_at),
        "started_at": _seconds(job.started_at),
        "finished_at": _seconds(job.finished_at),
        "cancel_requested_at": _seconds(job.cancel_requested_at),
        "progress": None if job.progress_done is None else Progress(done=job.progress_done, total=job.progress_total),
        "has_result": job.result is not None or job.result_object is not None,
        "error": _error(job.error_code, job.error),
    }


def _error(code: str | None, message: str | None) -> JobError | None:
    return JobError(code=code, message=message or "") if code else None


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
