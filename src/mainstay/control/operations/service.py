"""The rules of operations: what people may ask of jobs and do to them; each deed has a row in the audit."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.control.audit import service as audit
from mainstay.control.operations import store
from mainstay.control.operations.models import Job, JobDetail, JobState, QueueStats, Redriven
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import encode_id, not_found
from mainstay.kernel.paging import Page, PageRequest
from mainstay.platform.jobs import WrongState, interventions
from mainstay.platform.postgres import ReadTx, WriteTx

ATTEMPTS_SHOWN_MAX = 100
STATS_WINDOW_S = 300.0
# Each of them has its row in the audit.
REDRIVES_AT_ONCE_MAX = 100


async def require_job(tx: ReadTx, job_id: UUID) -> JobDetail:
    """Return one job that the caller may see; raises NotFound."""
    found = await store.find_job(tx, job_id, attempts_max=ATTEMPTS_SHOWN_MAX)
    if found is None:
        raise not_found("job_", job_id)
    return found


async def page_jobs(
    tx: ReadTx,
    request: PageRequest,
    *,
    states: Sequence[JobState] | None = None,
    queue: str | None = None,
    kind: str | None = None,
    parent_id: UUID | None = None,
) -> Page[Job]:
    """Return a page of jobs that the caller may see, of some states, a queue, a kind or a parent where asked."""
    return await store.page_jobs(tx, request, states=states, queue=queue, kind=kind, parent_id=parent_id)


async def queue_stats(tx: ReadTx) -> Sequence[QueueStats]:
    """Return how each queue stands, as far as the caller sees its jobs."""
    return await store.queue_stats(tx, window_s=STATS_WINDOW_S)


async def cancel(tx: WriteTx, job_id: UUID) -> Sequence[UUID]:
    """Cancel a job and its children, and return the parents that may go on without it once `tx` has committed.

    A job that runs is interrupted within seconds. To cancel one that is cancelled changes nothing; raises NotFound, or
    WrongState for a job that has ended otherwise.
    """
    job = (await require_job(tx, job_id)).job
    if job.state not in ("queued", "running", "waiting", "cancelled"):
        raise WrongState(f"The job has ended already, as '{job.state}': there is nothing left to cancel.")
    done = await interventions.cancel(tx, job_id)
    facts = {"kind": job.kind, "cancelled": len(done.cancelled), "interrupted": len(done.interrupted)}
    await audit.record(tx, "job.cancel", target_id=encode_id("job_", job_id), facts=facts)
    return done.parent_ids


async def run_now(tx: WriteTx, job_id: UUID) -> None:
    """Let a queued job run without waiting for its time or its backoff; raises NotFound or WrongState."""
    job = (await require_job(tx, job_id)).job
    await interventions.run_now(tx, job_id)
    facts = {"kind": job.kind, "attempt": job.attempt}
    await audit.record(tx, "job.retry", target_id=encode_id("job_", job_id), facts=facts)


async def redrive(tx: WriteTx, job_id: UUID) -> None:
    """Queue a dead letter again under its id; raises NotFound or WrongState. One that waits again already stays so."""
    job = (await require_job(tx, job_id)).job
    if job.redrives == 0 or job.state != "queued":
        await interventions.redrive(tx, job_id)
    await _record_redrive(tx, job)


async def redrive_many(tx: WriteTx, *, queue: str | None, kind: str | None, limit: int) -> Redriven:
    """Queue the dead letters of a queue or a kind again, the oldest first, at most `limit` of them."""
    if queue is None and kind is None:
        raise Invalid("Name the queue or the kind whose dead letters shall be queued again.", param="queue")
    if not 1 <= limit <= REDRIVES_AT_ONCE_MAX:
        raise Invalid(f"limit is 1 to {REDRIVES_AT_ONCE_MAX}, not {limit}.", param="limit")
    dead = await store.list_dead(tx, queue=queue, kind=kind, limit=limit + 1)
    for job_id in dead[:limit]:
        job = (await require_job(tx, job_id)).job
        await interventions.redrive(tx, job_id)
        await _record_redrive(tx, job)
    return Redriven(dead[:limit], has_more=len(dead) > limit)


async def _record_redrive(tx: WriteTx, job: Job) -> None:
    # The request that enqueued the job ties the two together.
    facts = {"kind": job.kind, "redrives": job.redrives, "enqueued_by": job.request_id, "error_code": job.error_code}
    await audit.record(tx, "job.redrive", target_id=encode_id("job_", job.id), facts=facts)
