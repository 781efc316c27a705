"""Claims, leases and fences: what may be written for a job, by whom, and until when."""

import asyncio

import pytest

from mainstay.platform.jobs import JobRun, LeaseLost, enqueue, store
from mainstay.platform.jobs.models import ClaimedJob, Lease
from mainstay.platform.postgres import Database
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import apart, write_effect
from tests.support.tenants import TestTenant


async def claim(lab: Lab, count_max: int = 1, lease_s: float = 60.0) -> list[Lease]:
    async with lab.database.keyhole() as tx:
        return list(
            await store.claim(
                tx, queues=[lab.queue], kinds=["note"], worker="test", count_max=count_max, lease_s=lease_s
            )
        )


async def claim_one(lab: Lab, lease_s: float = 60.0) -> Lease:
    (lease,) = await claim(lab, 1, lease_s)
    return lease


async def run_of(lab: Lab, lease: Lease) -> JobRun:
    async with lab.database.read(lease.scope) as tx:
        (job,) = await store.load(tx, [lease])
    return JobRun(lab.database, job, lab.kind())


async def rescue(database: Database) -> None:
    async with database.keyhole() as tx:
        await store.rescue(tx)


async def test_claim_concurrent_gives_each_job_once(lab: Lab) -> None:
    async with lab.database.write(lab.tenant.admin) as tx:
        for _ in range(60):
            await enqueue(tx, lab.kind(), {}, request_id="test")
    claimed = await asyncio.gather(*(claim(lab, 5) for _ in range(20)))
    ids = [lease.job_id for leases in claimed for lease in leases]
    assert len(ids) == len(set(ids)) == 60


async def test_claim_takes_the_oldest_first(lab: Lab) -> None:
    ids = [await lab.enqueue(lab.kind()) for _ in range(5)]
    assert [lease.job_id for _ in range(5) for lease in await claim(lab)] == ids


async def test_claim_leaves_kinds_that_it_does_not_know(lab: Lab) -> None:
    unknown = await lab.enqueue(lab.kind("from_the_future"))
    known = await lab.enqueue(lab.kind())
    assert [lease.job_id for lease in await claim(lab, 10)] == [known]
    assert await lab.state(unknown) == "queued"


async def test_commit_keeps_the_effect_and_ends_the_job(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim_one(lab))
    async with run.commit(unaudited="a test") as tx:
        await write_effect(tx, job_id, 1, "done")
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]
    job = await lab.table.job(job_id)
    assert (job["state"], job["worker"], job["lease_expires_at"]) == ("succeeded", None, None)
    with pytest.raises(AssertionError, match="was committed already"):
        async with run.commit():
            pass


async def test_commit_that_raises_keeps_nothing(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim_one(lab))

    async def commit_half() -> None:
        async with run.commit(unaudited="a test") as tx:
            await write_effect(tx, job_id, 1, "done")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await commit_half()
    assert await lab.table.effects(lab.queue) == []
    assert await lab.state(job_id) == "running"


async def test_commit_that_changes_without_audit_is_refused(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim_one(lab))
    with pytest.raises(AssertionError, match="without an audit row"):
        async with run.commit() as tx:
            await write_effect(tx, job_id, 1, "done")
    async with run.commit():
        pass
    assert await lab.state(job_id) == "succeeded"


@pytest.mark.parametrize("claimed_again", [False, True])
async def test_stale_fence_cannot_write(lab: Lab, claimed_again: bool) -> None:
    """The worker that was thought dead wakes up: after the rescue, and after somebody else has the job."""
    job_id = await lab.enqueue(lab.kind())
    zombie = await claim_one(lab, lease_s=0)
    run = await run_of(lab, zombie)
    await rescue(lab.database)
    if claimed_again:
        assert (await claim_one(lab)).job_id == job_id
    before = await lab.table.job(job_id)
    for transaction in (run.commit, run.checkpoint):
        with pytest.raises(LeaseLost, match="is not held under fence 1 any more"):
            async with transaction(unaudited="a test") as tx:
                await write_effect(tx, job_id, 1, "stale")
    with pytest.raises(LeaseLost):
        async with lab.database.write(zombie.scope) as tx:
            await store.postpone(tx, zombie, delay_s=0, code="late", reason="Too late.")
    with pytest.raises(LeaseLost):
        async with lab.database.write(zombie.scope) as tx:
            await store.fail(tx, zombie, code="late", reason="Too late.")
    async with lab.database.keyhole() as tx:
        assert await store.hand_back(tx, [zombie], []) == 0
        assert await store.renew(tx, [zombie], 60) == frozenset()
    assert await lab.table.effects(lab.queue) == []
    assert await lab.table.job(job_id) == before


async def test_rescue_during_a_checkpoint_or_commit_does_not_take_the_job(lab: Lab) -> None:
    """The row is locked from the check of the fence to the commit, and a rescuer passes over it."""
    job_id = await lab.enqueue(lab.kind())
    lease = await claim_one(lab, lease_s=0)
    async with lab.database.write(lease.scope) as tx:
        await store.hold(tx, lease)
        await apart(rescue(lab.database))
        assert await lab.state(job_id) == "running"
    await rescue(lab.database)
    assert await lab.state(job_id) == "queued"


async def test_heartbeat_does_not_wait_for_a_job_that_commits(lab: Lab) -> None:
    await lab.enqueue(lab.kind())
    await lab.enqueue(lab.kind())
    committing, other = await claim(lab, 2)

    async def beat() -> frozenset[object]:
        async with asyncio.timeout(5), lab.database.keyhole() as tx:
            return await store.renew(tx, [committing, other], 3600)

    async with lab.database.write(committing.scope) as tx:
        await store.finish(tx, committing)
        assert await apart(beat()) == {committing.job_id, other.job_id}
    assert await beat() == {committing.job_id, other.job_id}, "a job that its holder finished is not lost"
    left = (await lab.table.job(other.job_id))["lease_expires_at"]
    assert left > (await lab.table.connection.fetchval("SELECT now() + interval '50 minutes'"))


async def test_rescue_race_changes_no_job_that_is_finished_or_held(lab: Lab) -> None:
    """Half of the expired leases are finished or renewed while rescuers run: one of the two wins, whole."""
    async with lab.database.write(lab.tenant.admin) as tx:
        for _ in range(100):
            await enqueue(tx, lab.kind(), {}, request_id="test")
    leases = await claim(lab, 100, lease_s=0)
    finished: set[object] = set()

    async def finish(lease: Lease) -> None:
        try:
            async with lab.database.write(lease.scope) as tx:
                await store.finish(tx, lease)
        except LeaseLost:
            return
        finished.add(lease.job_id)

    await asyncio.gather(*(finish(lease) for lease in leases), *(rescue(lab.database) for _ in range(20)))
    await rescue(lab.database)
    rows = await lab.table.connection.fetch("SELECT id, state FROM mainstay.jobs WHERE queue = $1", lab.queue)
    assert {row["id"] for row in rows if row["state"] == "succeeded"} == finished
    assert {row["state"] for row in rows} <= {"succeeded", "queued"}


async def test_hand_back_counts_no_attempt(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    lease = await claim_one(lab)
    async with lab.database.keyhole() as tx:
        assert await store.hand_back(tx, [lease], [lab.queue]) == 1
    job = await lab.table.job(job_id)
    assert (job["state"], job["attempt"], job["fence"]) == ("queued", 0, 1)
    assert (await claim_one(lab)).fence == 2


async def test_free_slot_goes_to_the_tenant_with_the_fewest_running(lab: Lab, other_tenant: TestTenant) -> None:
    async with lab.database.write(lab.tenant.admin) as tx:
        for _ in range(200):
            await enqueue(tx, lab.kind(), {}, request_id="test")
    noisy = await claim(lab, 4)
    assert [lease.tenant_id for lease in noisy] == [lab.tenant.tenant_id] * 4
    async with lab.database.write(other_tenant.admin) as tx:
        await enqueue(tx, lab.kind(), {}, request_id="test")
    async with lab.database.write(noisy[0].scope) as tx:
        await store.finish(tx, noisy[0])
    assert (await claim_one(lab)).tenant_id == other_tenant.tenant_id


async def test_single_slot_is_drawn_between_equal_tenants(lab: Lab, other_tenant: TestTenant) -> None:
    """With one slot nobody runs when the next is claimed; the late-comer must not wait for 200 older jobs."""
    for scope, jobs in ((lab.tenant.admin, 200), (other_tenant.admin, 1)):
        async with lab.database.write(scope) as tx:
            for _ in range(jobs):
                await enqueue(tx, lab.kind(), {}, request_id="test")
    turns = 0
    served = None
    while served != other_tenant.tenant_id:
        lease = await claim_one(lab)
        async with lab.database.write(lease.scope) as tx:
            await store.finish(tx, lease)
        served = lease.tenant_id
        turns += 1
    # 2 ** -40 is the chance that a fair lottery takes longer.
    assert turns <= 40


async def test_loaded_job_that_was_lost_meanwhile_is_left_out(lab: Lab) -> None:
    await lab.enqueue(lab.kind())
    lease = await claim_one(lab, lease_s=0)
    await rescue(lab.database)
    async with lab.database.read(lease.scope) as tx:
        loaded: list[ClaimedJob] = list(await store.load(tx, [lease]))
    assert loaded == []


async def test_counts_tell_queues_states_and_the_oldest(lab: Lab) -> None:
    await lab.enqueue(lab.kind())
    await lab.enqueue(lab.kind())
    await claim_one(lab)
    await lab.table.make_due(lab.queue)
    async with lab.database.keyhole() as tx:
        mine = {depth.state: depth for depth in await store.count(tx) if depth.queue == lab.queue}
    assert {state: depth.jobs for state, depth in mine.items()} == {"queued": 1, "running": 1}
    assert 1 <= mine["queued"].oldest_due_s < 60
