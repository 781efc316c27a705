"""Finished jobs go after a named time, with their attempts; nothing else does."""

from dataclasses import replace
from uuid import UUID

import pytest

from mainstay.kernel.ids import encode_id
from mainstay.platform.blobs import BlobMissing, Blobs, blob_key
from mainstay.platform.jobs import limits, store
from mainstay.platform.jobs.pruning import prune
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK

DAY_S = 86_400.0
KEEP = replace(QUICK, keep_s=30 * DAY_S, keep_dead_s=90 * DAY_S)


async def finished(lab: Lab, state: str, *, days: float, untold: bool = False, parent: UUID | None = None) -> UUID:
    """Return a job that ended so many days ago, with one attempt that ended badly."""
    job_id = await lab.enqueue(lab.kind(), parent=parent)
    await lab.table.connection.execute(
        "UPDATE mainstay.jobs SET state = $2, finished_at = now() - make_interval(secs => $3), untold = $4,"
        " error_code = 'x', error = 'x' WHERE id = $1",
        job_id, state, days * DAY_S, untold,
    )  # fmt: skip
    await lab.table.connection.execute(
        "INSERT INTO mainstay.job_attempts (tenant_id, job_id, fence, attempt, outcome)"
        " VALUES ($1, $2, 1, 1, 'failed')",
        lab.tenant.tenant_id, job_id,
    )  # fmt: skip
    return job_id


async def left(lab: Lab) -> set[UUID]:
    rows = await lab.table.connection.fetch("SELECT id FROM mainstay.jobs WHERE queue = $1", lab.queue)
    return {row["id"] for row in rows}


async def attempts(lab: Lab) -> set[UUID]:
    query = "SELECT job_id FROM mainstay.job_attempts WHERE tenant_id = $1"
    return {row["job_id"] for row in await lab.table.connection.fetch(query, lab.tenant.tenant_id)}


async def test_old_jobs_go_and_the_others_stay(lab: Lab) -> None:
    gone = {
        await finished(lab, "succeeded", days=31),
        await finished(lab, "cancelled", days=31),
        await finished(lab, "dead", days=91),
    }
    kept = {
        await finished(lab, "succeeded", days=29),
        await finished(lab, "dead", days=89),
        await finished(lab, "cancelled", days=31, untold=True),
        await lab.enqueue(lab.kind()),
    }
    assert await prune(lab.database, Blobs.in_memory(), KEEP) >= len(gone)
    assert await left(lab) == kept
    assert await attempts(lab) <= kept


async def test_parent_goes_after_its_children(lab: Lab) -> None:
    parent = await finished(lab, "succeeded", days=40)
    old = await finished(lab, "succeeded", days=40, parent=parent)
    young = await finished(lab, "succeeded", days=1, parent=parent)
    await prune(lab.database, Blobs.in_memory(), KEEP)
    assert await left(lab) == {parent, young}, encode_id("job_", old)
    await lab.table.connection.execute(
        "UPDATE mainstay.jobs SET finished_at = now() - interval '40 days' WHERE id = $1", young
    )
    await prune(lab.database, Blobs.in_memory(), KEEP)
    await prune(lab.database, Blobs.in_memory(), KEEP)
    assert await left(lab) == set()


async def test_batch_is_bounded(lab: Lab) -> None:
    ids = {await finished(lab, "succeeded", days=40) for _ in range(5)}
    async with lab.database.keyhole() as tx:
        old = await tx.fetch(
            store._QUERIES["list_old_jobs"], keep_s=KEEP.keep_s, keep_dead_s=KEEP.keep_dead_s, count_max=2
        )
    assert len(old) == 2
    assert await left(lab) == ids
    assert limits.PRUNE_BATCH_JOBS * limits.PRUNE_BATCHES_MAX == 50_000


async def test_result_in_the_object_store_goes_before_its_job(lab: Lab) -> None:
    blobs = Blobs.in_memory()
    old, young = [await finished(lab, "succeeded", days=days) for days in (40, 1)]
    for job_id in (old, young):
        key = blob_key("results", lab.tenant.tenant_id, job_id)
        await blobs.put(key, b"large")
        await lab.table.connection.execute("UPDATE mainstay.jobs SET result_object = $2 WHERE id = $1", job_id, key)
    await prune(lab.database, blobs, KEEP)
    assert await left(lab) == {young}
    with pytest.raises(BlobMissing):
        await blobs.get(blob_key("results", lab.tenant.tenant_id, old))
    assert await blobs.get(blob_key("results", lab.tenant.tenant_id, young)) == b"large"


async def test_job_that_was_queued_again_meanwhile_stays(lab: Lab) -> None:
    job_id = await finished(lab, "dead", days=100)
    async with lab.database.keyhole() as tx:
        old = await store.list_old(tx, keep_s=KEEP.keep_s, keep_dead_s=KEEP.keep_dead_s)
    assert job_id in {job.job_id for job in old}
    await lab.table.connection.execute(
        "UPDATE mainstay.jobs SET state = 'queued', finished_at = NULL WHERE id = $1", job_id
    )
    async with lab.database.keyhole() as tx:
        await store.prune(tx, old, keep_s=KEEP.keep_s, keep_dead_s=KEEP.keep_dead_s)
    assert await left(lab) == {job_id}
