"""The SQL of parents and children."""

from collections.abc import Sequence
from uuid import UUID

from mainstay.kernel.errors import Invalid
from mainstay.platform.jobs import store
from mainstay.platform.jobs.children import Child, Children
from mainstay.platform.jobs.errors import Cancelled
from mainstay.platform.jobs.limits import CHILDREN_MAX, WAKES_MAX
from mainstay.platform.jobs.models import Lease
from mainstay.platform.postgres import KeyholeTx, ReadTx, Record, WriteTx, load_queries

_QUERIES = load_queries(__package__ or "")


async def wait(tx: WriteTx, lease: Lease) -> None:
    """Let the job wait for its children when `tx` commits.

    Raises LeaseLost, Cancelled where its end was asked for, and Invalid where it has too many children.
    """
    if await tx.fetch_value(_QUERIES["wait_for_children"], job_id=lease.job_id, fence=lease.fence) is None:
        await store.hold(tx, lease)
        raise Cancelled
    count = await tx.fetch_value(_QUERIES["count_children"], job_id=lease.job_id, limit=CHILDREN_MAX + 1)
    if count > CHILDREN_MAX:
        raise Invalid(f"Job {lease.job_id} has more than {CHILDREN_MAX} children: give each of them more of the work.")


async def load_children(tx: ReadTx, job_id: UUID) -> Children:
    """Return the children of a job."""
    rows = await tx.fetch(_QUERIES["list_children"], job_id=job_id, limit=CHILDREN_MAX)
    return Children([_child(row) for row in rows])


async def wake_parents(tx: KeyholeTx, parents: Sequence[tuple[UUID, UUID]]) -> Sequence[UUID]:
    """Queue those of `parents` (tenant, job) that wait and have no unfinished child, and return their ids."""
    tenant_ids, job_ids = [tenant_id for tenant_id, _ in parents], [job_id for _, job_id in parents]
    return await _announced(tx, await tx.fetch(_QUERIES["wake_parents"], tenant_ids=tenant_ids, job_ids=job_ids))


async def wake_waiting(tx: KeyholeTx) -> Sequence[UUID]:
    """Do the same for all jobs that wait, at most WAKES_MAX of them."""
    return await _announced(tx, await tx.fetch(_QUERIES["wake_waiting"], count_max=WAKES_MAX))


async def _announced(tx: KeyholeTx, woken: Sequence[Record]) -> Sequence[UUID]:
    for queue in {row["queue"] for row in woken}:
        await store.notify(tx, queue)
    return [row["job_id"] for row in woken]


def _child(row: Record) -> Child:
    return Child(
        job_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        result=row["result"],
        result_object=row["result_object"],
        error_code=row["error_code"],
        error=row["error"],
    )
