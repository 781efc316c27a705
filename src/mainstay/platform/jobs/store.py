"""The only Python that runs the SQL of jobs. Functions that write for a job raise LeaseLost when its fence is stale."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import new_id
from mainstay.platform.jobs.errors import LeaseLost, storable_code, storable_reason
from mainstay.platform.jobs.limits import (
    BURIALS_MAX,
    DELAY_S_MAX,
    RESCUES_MAX,
    UNIQUE_KEY_CHARS_MAX,
)
from mainstay.platform.jobs.models import ClaimedJob, DeadJob, JobKind, Lease, QueueDepth, Rescued
from mainstay.platform.jobs.payloads import Payload, PayloadT
from mainstay.platform.postgres import KeyholeTx, ReadTx, WriteTx, load_queries

# One channel for all queues; a message holds the name of a queue and nothing of any tenant.
CHANNEL = "mainstay_jobs"

_QUERIES = load_queries(__package__ or "")


async def enqueue(
    tx: WriteTx,
    kind: JobKind[PayloadT],
    payload: PayloadT,
    *,
    request_id: str,
    unique_key: str | None = None,
    delay_s: float = 0.0,
) -> UUID:
    """Add a job that exists exactly if `tx` commits, and return its id; it runs for the principal of `tx`.

    `unique_key` names a piece of work, down to the version of what it is about: while a job of this kind with the key
    waits or runs, its id is returned and nothing is added. Raises Invalid for a payload that is not of the
    kind's type, and for a payload, key or delay beyond its limit.
    """
    stored = kind.payloads.write(payload)
    if unique_key is not None and not 1 <= len(unique_key) <= UNIQUE_KEY_CHARS_MAX:
        raise Invalid(
            f"The key of a '{kind.name}' job has {len(unique_key)} characters, not 1 to {UNIQUE_KEY_CHARS_MAX}."
        )
    if not 0 <= delay_s <= DELAY_S_MAX:
        raise Invalid(f"The delay of a '{kind.name}' job is {delay_s} s, not 0 to {DELAY_S_MAX:.0f}.")
    job_id: UUID = await tx.fetch_value(
        _QUERIES["add_job"],
        id=new_id(),
        request_id=request_id,
        queue=kind.queue,
        kind=kind.name,
        payload=stored,
        unique_key=unique_key,
        attempts_max=kind.attempts_max,
        delay_s=float(delay_s),
        channel=CHANNEL,
    )
    return job_id


async def notify(tx: KeyholeTx, queue: str) -> None:
    """Wake the workers of a queue when `tx` commits."""
    await tx.fetch(_QUERIES["notify_queue"], channel=CHANNEL, queue=queue)


async def claim(
    tx: KeyholeTx, *, queues: Sequence[str], kinds: Sequence[str], worker: str, count_max: int, lease_s: float
) -> Sequence[Lease]:
    """Start leases on at most `count_max` due jobs; fewer may come although more are due, none only if none is free."""
    rows = await tx.fetch(
        _QUERIES["claim_jobs"], queues=queues, kinds=kinds, worker=worker, count_max=count_max, lease_s=lease_s
    )
    return [Lease(**row) for row in rows]


async def load(tx: ReadTx, leases: Sequence[Lease]) -> Sequence[ClaimedJob]:
    """Return what the jobs under `leases`, all of the tenant of `tx`, are about."""
    by_id = {lease.job_id: lease for lease in leases}
    rows = await tx.fetch(_QUERIES["load_jobs"], job_ids=list(by_id), fences=[lease.fence for lease in by_id.values()])
    return [
        ClaimedJob(
            lease=by_id[row["id"]],
            kind=row["kind"],
            request_id=row["request_id"],
            payload=row["payload"],
            attempt=row["attempt"],
            attempts_max=row["attempts_max"],
            last_error_code=row["error_code"],
        )
        for row in rows
    ]


async def renew(tx: KeyholeTx, leases: Sequence[Lease], lease_s: float) -> frozenset[UUID]:
    """Prolong `leases` to `lease_s` from now, and return the ids of the jobs that are still held."""
    rows = await tx.fetch(_QUERIES["renew_leases"], **_columns(leases), lease_s=lease_s)
    return frozenset(row["job_id"] for row in rows)


async def hand_back(tx: KeyholeTx, leases: Sequence[Lease], queues: Sequence[str]) -> int:
    """Put jobs back as if they had not been claimed, wake the workers of `queues`, and return how many it were."""
    rows = await tx.fetch(_QUERIES["return_jobs"], **_columns(leases))
    for queue in queues:
        await notify(tx, queue)
    return len(rows)


async def rescue(tx: KeyholeTx) -> Sequence[Rescued]:
    """Take jobs away from workers that let their leases run out; at most RESCUES_MAX at a time."""
    rows = await tx.fetch(_QUERIES["rescue_jobs"], count_max=RESCUES_MAX)
    return [Rescued(row["tenant_id"], row["job_id"], row["queue"], row["state"]) for row in rows]


async def finish(tx: WriteTx, lease: Lease) -> None:
    """Mark the job as succeeded when `tx` commits.

    Like all bookkeeping here it is read back with RETURNING: what a job did is audited by who did it, the queue is not.
    """
    await _fenced(tx, "finish_job", lease)


async def hold(tx: WriteTx, lease: Lease) -> None:
    """Make sure that the job cannot be given to another worker before `tx` ends."""
    await _fenced(tx, "hold_job", lease)


async def postpone(tx: WriteTx, lease: Lease, *, delay_s: float, code: str, reason: str) -> bool:
    """Put the job back for another attempt after `delay_s`; return False if none is left and it has failed."""
    wait_s = min(max(delay_s, 0.0), DELAY_S_MAX)
    values = {"code": storable_code(code), "reason": storable_reason(reason)}
    return await _fenced(tx, "postpone_job", lease, delay_s=wait_s, **values) == "queued"


async def fail(tx: WriteTx, lease: Lease, *, code: str, reason: str) -> None:
    """End the job for good; its burial is due at once."""
    await _fenced(tx, "fail_job", lease, code=storable_code(code), reason=storable_reason(reason))


async def take_burials(tx: KeyholeTx, kinds: Sequence[str], retry_s: float) -> Sequence[Lease]:
    """Return failed jobs of `kinds` that wait for their burial, and keep other workers off them for `retry_s`.

    The leases have no fence: the burial itself is decided by the state of the job.
    """
    rows = await tx.fetch(_QUERIES["take_burials"], kinds=kinds, count_max=BURIALS_MAX, retry_s=retry_s)
    return [Lease(**row, fence=0) for row in rows]


async def find_burial(tx: ReadTx, job_id: UUID) -> str | None:
    """Return the request that a failed job belongs to, or None if the job is buried or not failed."""
    request_id: str | None = await tx.fetch_value(_QUERIES["find_burial"], job_id=job_id)
    return request_id


async def bury(tx: WriteTx, job_id: UUID) -> tuple[str, DeadJob[Payload]] | None:
    """Make a failed job a dead letter when `tx` commits; return its kind and what is known, or None if it is none."""
    row = await tx.fetch_one(_QUERIES["bury_job"], job_id=job_id)
    if row is None:
        return None
    return row["kind"], DeadJob(
        tenant_id=tx.scope.tenant_id,
        principal_id=tx.scope.principal_id,
        job_id=row["id"],
        request_id=tx.scope.request_id,
        payload=row["payload"],
        stored=row["payload"],
        attempt=row["attempt"],
        error_code=row["error_code"],
        error=row["error"],
    )


async def count(tx: KeyholeTx) -> Sequence[QueueDepth]:
    """Return how many unfinished jobs there are, by queue and state."""
    rows = await tx.fetch(_QUERIES["count_jobs"])
    return [QueueDepth(row["queue"], row["state"], row["jobs"], row["oldest_due_s"]) for row in rows]


async def _fenced(tx: WriteTx, query: str, lease: Lease, **values: object) -> object:
    found: object = await tx.fetch_value(_QUERIES[query], job_id=lease.job_id, fence=lease.fence, **values)
    if found is None:
        raise LeaseLost(
            f"Job {lease.job_id} is not held under fence {lease.fence} any more, because its lease ran out:"
            " nothing of this attempt is kept."
        )
    return found


def _columns(leases: Sequence[Lease]) -> Mapping[str, object]:
    return {
        "tenant_ids": [lease.tenant_id for lease in leases],
        "job_ids": [lease.job_id for lease in leases],
        "fences": [lease.fence for lease in leases],
    }
