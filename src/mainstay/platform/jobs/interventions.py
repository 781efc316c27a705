"""What people do to jobs: cancel them, let them run now, queue dead letters again. Whoever calls records the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs import store
from mainstay.platform.jobs.limits import REDRIVES_MAX
from mainstay.platform.postgres import UniqueViolation, WriteTx, load_queries

_QUERIES = load_queries(__package__ or "")


class WrongState(MainstayError):
    """The job is in no state in which this can be done."""

    kind = "conflict"
    code = "wrong_job_state"


@dataclass(frozen=True)
class Cancellation:
    """The jobs that are cancelled, those that run and will be, and the parents that may go on without them."""

    cancelled: Sequence[UUID]
    interrupted: Sequence[UUID]
    parent_ids: Sequence[UUID]


async def cancel(tx: WriteTx, job_id: UUID) -> Cancellation:
    """Cancel a job and its children, when `tx` commits; nothing happens to those that have ended.

    What waits is cancelled at once, and what runs is interrupted by its worker within seconds: a job that commits
    before has succeeded. Call `family.look_after` for the parents after the commit.
    """
    cancelled: list[UUID] = []
    interrupted: list[UUID] = []
    parent_ids: list[UUID] = []
    generation = [job_id]
    # A job spawns no children once it is cancelled or is to be, so the next generation is looked up after this one.
    while generation:
        for row in await tx.fetch(_QUERIES["cancel_jobs"], job_ids=generation):
            (interrupted if row["state"] == "running" else cancelled).append(row["id"])
            if row["parent_id"] is not None and row["id"] == job_id:
                parent_ids.append(row["parent_id"])
        generation = [row["id"] for row in await tx.fetch(_QUERIES["list_ids_of_children"], job_ids=generation)]
    return Cancellation(cancelled, interrupted, parent_ids)


async def run_now(tx: WriteTx, job_id: UUID) -> None:
    """Let a queued job run without waiting for its time or its backoff; raises WrongState."""
    queue = await tx.fetch_value(_QUERIES["run_job_now"], job_id=job_id)
    if queue is None:
        raise WrongState("Only a queued job can be run now: a dead letter is redriven instead.")
    await store.notify(tx, queue)


async def redrive(tx: WriteTx, job_id: UUID) -> None:
    """Queue a dead letter again under its id, with payload and history; raises WrongState."""
    try:
        queue = await tx.fetch_value(_QUERIES["redrive_job"], job_id=job_id, redrives_max=REDRIVES_MAX)
    except UniqueViolation:
        raise WrongState("The same work was enqueued again meanwhile and has not ended: wait for that job.") from None
    if queue is None:
        raise WrongState(f"Only a dead letter can be redriven, and at most {REDRIVES_MAX} times.")
    await store.notify(tx, queue)
