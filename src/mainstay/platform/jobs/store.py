"""The only Python that runs the SQL of jobs. Functions that write for a job raise LeaseLost when its fence is stale."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import new_id
from mainstay.platform.jobs.errors import lease_lost, storable_code, storable_reason
from mainstay.platform.jobs.limits import (
    AGING_S,
    BURIALS_MAX,
    DELAY_S_MAX,
    IDEMPOTENCY_KEY_CHARS_MAX,
    PRIORITY_MAX,
    PRUNE_BATCH_JOBS,
    RESCUES_MAX,
    UNIQUE_KEY_CHARS_MAX,
)
from mainstay.platform.jobs.lines import Lines
from mainstay.platform.jobs.models import (
    Buried,
    ClaimedJob,
    DeadJob,
    JobKind,
    Lease,
    OldJob,
    Queue,
    QueueDepth,
    QueueDue,
    Rescued,
)
from mainstay.platform.jobs.payloads import Payload, PayloadT
from mainstay.platform.postgres import Database, KeyholeTx, ReadTx, WriteTx, load_queries

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
    idempotency_key: str | None = None,
    priority: int | None = None,
    parent: UUID | None = None,
    delay_s: float = 0.0,
) -> UUID:
    """Add a job that exists exactly if `tx` commits, and return its id; it runs for the principal of `tx`.

    `unique_key` names a piece of work, down to the version of what it is about: while a job of this kind with the key
    waits or runs, its id is returned and nothing is added. `idempotency_key` names the request for it: whatever became
    of the job that this principal enqueued with it, its id is returned, until the job is pruned. `parent` is the job
    that waits for this one. Without a `priority` the job has that of its kind. Raises Invalid for a payload that is
    not of the kind's type, and for a payload, key, priority or delay beyond its limit.
    """
    stored = kind.payloads.write(payload)
    _check_keys(kind, unique_key, idempotency_key)
    if priority is not None and not 0 <= priority <= PRIORITY_MAX:
        raise Invalid(f"The priority of a '{kind.name}' job is {priority}, not 0 to {PRIORITY_MAX}.")
    if not 0 <= delay_s <= DELAY_S_MAX:
        raise Invalid(f"The delay of a '{kind.name}' job is {delay_s} s, not 0 to {DELAY_S_MAX:.0f}.")
    keys = {"unique_key": unique_key} if idempotency_key is None else {"idempotency_key": idempotency_key}
    job_id: UUID = await tx.fetch_value(
        _QUERIES["add_job" if idempotency_key is None else "add_job_once"],
        id=new_id(),
        request_id=request_id,
        queue=kind.queue,
        kind=kind.name,
        payload=stored,
        attempts_max=kind.attempts_max,
        delay_s=float(delay_s),
        priority=kind.priority if priority is None else priority,
        parent_id=parent,
        channel=CHANNEL,
        **keys,
    )
    tx.after_commit(QueueDue(kind.queue, delay_s))
    return job_id


def _check_keys(kind: JobKind[PayloadT], unique_key: str | None, idempotency_key: str | None) -> None:
    if unique_key is not None and idempotency_key is not None:
        raise Invalid(f"A '{kind.name}' job was given both a unique_key and an idempotency_key: give it one of them.")
    for key, chars_max in ((unique_key, UNIQUE_KEY_CHARS_MAX), (idempotency_key, IDEMPOTENCY_KEY_CHARS_MAX)):
        if key is not None and not 1 <= len(key) <= chars_max:
            raise Invalid(f"The key of a '{kind.name}' job has {len(key)} characters, not 1 to {chars_max}.")


async def notify(tx: KeyholeTx, queue: str) -> None:
    """Wake the workers of a queue when `tx` commits."""
    await tx.fetch(_QUERIES["notify_queue"], channel=CHANNEL, queue=queue)
    tx.after_commit(QueueDue(queue))


async def claim(
    tx: KeyholeTx,
    *,
    queues: Sequence[str],
    kinds: Sequence[str],
    worker: str,
    count_max: int,
    lease_s: float,
    rules: Sequence[Queue] = (),
    lines: Lines | None = None,
) -> Sequence[Lease]:
    """Start leases on at most `count_max` due jobs; fewer may come although more are due.

    `rules` hold for those of `queues` that have any. `lines` remembers where this worker has read to.
    """
    lines = lines or Lines()
    anew, began = lines.look_anew(), time.perf_counter()
    rows = await tx.fetch(
        _QUERIES["claim_jobs"],
        queues=queues,
        kinds=kinds,
        worker=worker,
        count_max=count_max,
        lease_s=lease_s,
        aging_s=AGING_S,
        ruled_queues=[rule.name for rule in rules],
        running_maxes=[rule.concurrency_max for rule in rules],
        tenant_maxes=[rule.concurrency_per_tenant_max for rule in rules],
        starts_maxes=[rule.starts_per_minute_max for rule in rules],
        anew=anew,
        **lines.columns(anew=anew),
    )
    if anew:
        lines.note_look(rows[0]["looked_us"] / 1e6 if rows else time.perf_counter() - began)
    leases: list[Lease] = []
    for row in rows:
        lease = Lease(row["tenant_id"], row["principal_id"], row["job_id"], row["fence"])
        lines.note_claimed((row["queue"], lease.tenant_id, row["priority"]), (row["run_at_us"], lease.job_id))
        leases.append(lease)
    return leases


async def load(database: Database, leases: Sequence[Lease]) -> Sequence[ClaimedJob]:
    """Return what the jobs under `leases` are about, each read inside its tenant; those that were lost are left out."""
    by_id = {lease.job_id: lease for lease in leases}
    # The work of a claim is nobody's in particular, so each tenant's jobs are read for whoever enqueued one of them.
    readers = {lease.tenant_id: lease for lease in leases}
    places = {tenant_id: place for place, tenant_id in enumerate(readers, 1)}
    rows = await database.read_each(
        [lease.scope for lease in readers.values()],
        _QUERIES["load_jobs"],
        places=[places[lease.tenant_id] for lease in leases],
        job_ids=list(by_id),
        fences=[lease.fence for lease in leases],
    )
    return [
        ClaimedJob(
            lease=by_id[row["id"]],
            kind=row["kind"],
            request_id=row["request_id"],
            payload=row["payload"],
            attempt=row["attempt"],
            attempts_max=row["attempts_max"],
            parent_id=row["parent_id"],
            joins=row["joins"],
            redrives=row["redrives"],
            last_error_code=row["error_code"],
        )
        for row in rows
    ]


async def finish_many(tx: KeyholeTx, leases: Sequence[Lease]) -> frozenset[UUID]:
    """Mark jobs as succeeded when `tx` commits, and return the ids of those that were still held."""
    rows = await tx.fetch(_QUERIES["finish_jobs"], **_columns(leases))
    return frozenset(row["job_id"] for row in rows)


async def put_off(tx: KeyholeTx, lease: Lease, queue: str, pause_s: float) -> float:
    """Pause a queue and put the job back into it, its attempt not counted; return for how long the queue is paused."""
    paused_s: float = await tx.fetch_value(_QUERIES["pause_queue"], queue=queue, pause_s=pause_s)
    await tx.fetch(_QUERIES["return_jobs"], **_columns([lease]))
    return paused_s


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


async def finish(tx: WriteTx, lease: Lease, *, result: object = None, result_object: str | None = None) -> None:
    """Mark the job as succeeded when `tx` commits, with its result or the key of the object that holds it.

    Like all bookkeeping here it is read back with RETURNING: what a job did is audited by who did it, the queue is not.
    """
    await _fenced(tx, "finish_job", lease, result=result, result_object=result_object)


async def hold(tx: WriteTx, lease: Lease) -> None:
    """Make sure that the job cannot be given to another worker before `tx` ends."""
    await _fenced(tx, "hold_job", lease)


async def postpone(tx: WriteTx, lease: Lease, *, delay_s: float, code: str, reason: str) -> str:
    """Put the job back for another attempt after `delay_s`, and return its state.

    It is `queued`, `failed` where no attempt is left, or `cancelled` where that was asked for.
    """
    wait_s = min(max(delay_s, 0.0), DELAY_S_MAX)
    values = {"code": storable_code(code), "reason": storable_reason(reason)}
    return str(await _fenced(tx, "postpone_job", lease, delay_s=wait_s, **values))


async def fail(tx: WriteTx, lease: Lease, *, code: str, reason: str) -> str:
    """End the job for good, and return its state: `failed`, its burial due at once, or `cancelled`."""
    values = {"code": storable_code(code), "reason": storable_reason(reason)}
    return str(await _fenced(tx, "fail_job", lease, **values))


async def set_progress(tx: WriteTx, lease: Lease, done: int, total: int | None) -> bool:
    """Note how far the job is, and return whether it is to be cancelled."""
    return bool(await _fenced(tx, "set_progress", lease, done=done, total=total))


async def jobs_to_cancel(tx: KeyholeTx, leases: Sequence[Lease]) -> frozenset[UUID]:
    """Return the ids of those jobs whose end was asked for."""
    rows = await tx.fetch(_QUERIES["jobs_to_cancel"], **_columns(leases))
    return frozenset(row["job_id"] for row in rows)


async def list_old(tx: KeyholeTx, *, keep_s: float, keep_dead_s: float) -> Sequence[OldJob]:
    """Return jobs that finished so long ago, at most PRUNE_BATCH_JOBS."""
    rows = await tx.fetch(_QUERIES["list_old_jobs"], keep_s=keep_s, keep_dead_s=keep_dead_s, count_max=PRUNE_BATCH_JOBS)
    return [OldJob(row["tenant_id"], row["job_id"], has_object=row["objects"] > 0) for row in rows]


async def prune(tx: KeyholeTx, jobs: Sequence[OldJob], *, keep_s: float, keep_dead_s: float) -> int:
    """Delete those of `jobs` that are as old still, and return how many it were."""
    return await tx.fetch_value(
        _QUERIES["prune_jobs"],
        keep_s=keep_s,
        keep_dead_s=keep_dead_s,
        tenant_ids=[job.tenant_id for job in jobs],
        job_ids=[job.job_id for job in jobs],
    )


async def take_burials(tx: KeyholeTx, kinds: Sequence[str], retry_s: float) -> Sequence[Lease]:
    """Return jobs of whose end their `kinds` are to be told, and keep other workers off them for `retry_s`.

    The leases have no fence: the burial itself is decided by the state of the job.
    """
    rows = await tx.fetch(_QUERIES["take_burials"], kinds=kinds, count_max=BURIALS_MAX, retry_s=retry_s)
    return [Lease(**row, fence=0) for row in rows]


async def find_burial(tx: ReadTx, job_id: UUID) -> str | None:
    """Return the request that a failed or cancelled job belongs to, or None if its kind was told of its end."""
    request_id: str | None = await tx.fetch_value(_QUERIES["find_burial"], job_id=job_id)
    return request_id


async def bury(tx: WriteTx, job_id: UUID) -> Buried | None:
    """Make a failed job a dead letter when `tx` commits, or note that a cancelled one was told of.

    Returns what is known of it, or None where neither is due.
    """
    row = await tx.fetch_one(_QUERIES["bury_job"], job_id=job_id)
    if row is None:
        return None
    dead: DeadJob[Payload] = DeadJob(
        tenant_id=tx.scope.tenant_id,
        principal_id=tx.scope.principal_id,
        job_id=row["id"],
        request_id=tx.scope.request_id,
        payload=None,
        stored=row["payload"],
        attempt=row["attempt"],
        error_code=row["error_code"],
        error=row["error"],
        cancelled=row["state"] == "cancelled",
    )
    return Buried(row["kind"], dead, row["parent_id"])


async def count(tx: KeyholeTx) -> Sequence[QueueDepth]:
    """Return how many jobs are unfinished or dead, by queue and state."""
    rows = await tx.fetch(_QUERIES["count_jobs"])
    return [QueueDepth(row["queue"], row["state"], row["jobs"], row["oldest_due_s"]) for row in rows]


async def count_due(tx: KeyholeTx, count_max: int) -> Mapping[str, int]:
    """Return how many jobs are due in each queue that has one, counting no further than `count_max`."""
    return {row["queue"]: row["jobs"] for row in await tx.fetch(_QUERIES["count_due_jobs"], count_max=count_max)}


async def _fenced(tx: WriteTx, query: str, lease: Lease, **values: object) -> object:
    found: object = await tx.fetch_value(_QUERIES[query], job_id=lease.job_id, fence=lease.fence, **values)
    if found is None:
        raise lease_lost(lease.job_id, lease.fence)
    return found


def _columns(leases: Sequence[Lease]) -> Mapping[str, object]:
    return {
        "tenant_ids": [lease.tenant_id for lease in leases],
        "job_ids": [lease.job_id for lease in leases],
        "fences": [lease.fence for lease in leases],
    }
