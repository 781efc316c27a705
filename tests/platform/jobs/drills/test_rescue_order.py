"""An orphan has waited once already: it must not wait again behind all that was enqueued after it."""

from mainstay.platform.jobs import store
from tests.platform.jobs.drills.ground import Ground


async def claim_one(ground: Ground, lease_s: float) -> list[str]:
    async with ground.database.keyhole() as tx:
        leases = await store.claim(
            tx, queues=[ground.queue], kinds=["drilled"], worker="one", count_max=1, lease_s=lease_s
        )
    return [str(lease.job_id) for lease in leases]


async def test_orphan_comes_before_what_was_enqueued_after_it(ground: Ground) -> None:
    [orphan] = await ground.enqueue(1)
    assert await claim_one(ground, lease_s=0) == [orphan]
    await ground.enqueue(3)
    async with ground.database.keyhole() as tx:
        assert orphan in {str(job.job_id) for job in await store.rescue(tx)}
    assert await claim_one(ground, lease_s=60) == [orphan]
