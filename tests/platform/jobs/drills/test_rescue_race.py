"""S.Q3: leases that run out while their holders commit, and rescuers that come at the same moment."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from mainstay.platform.jobs import JobRun, LeaseLost, store
from mainstay.platform.jobs.models import ClaimedJob
from mainstay.platform.postgres import Database, PoolLimits
from tests.platform.jobs.drills.ground import Ground
from tests.platform.jobs.drills.ledger import write_effect
from tests.platform.jobs.drills.orders import drilled_kind
from tests.support.database import SCOPE_KEY
from tests.support.figures import Figures

BATCH = 50
# A lease that ends while its holders commit is found by trying, for it is as long as the machine is slow; one of
# those who take over does not end.
SHORT_S, LONG_S = 0.2, 60.0
RESCUERS = 3


@pytest.fixture
async def wide_database(ground: Ground) -> AsyncIterator[Database]:
    """A pool in which a batch does not wait for connections more than for locks."""
    opened = await Database.connect(ground.urls.app, PoolLimits(connections_max=16), scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


async def claim(database: Database, ground: Ground, lease_s: float) -> Sequence[ClaimedJob]:
    async with database.keyhole() as tx:
        leases = await store.claim(
            tx, queues=[ground.queue], kinds=["drilled"], worker="race", count_max=BATCH, lease_s=lease_s
        )
    return await store.load(database, leases) if leases else ()


async def commit(database: Database, ground: Ground, job: ClaimedJob, delay_s: float) -> str:
    await asyncio.sleep(delay_s)
    run = JobRun(database, job, drilled_kind(ground.queue))
    try:
        async with run.commit(unaudited="a drill") as tx:
            await write_effect(tx, run, ground.queue)
    except LeaseLost:
        return "refused"
    return "kept"


async def race(database: Database, ground: Ground, short_s: float) -> Counter[str]:
    """Let the holders of one batch, rescuers and a successor run against each other until nothing is left."""
    over = asyncio.Event()

    async def rescue() -> int:
        count = 0
        while not over.is_set():
            async with database.keyhole() as tx:
                count += sum(job.queue == ground.queue for job in await store.rescue(tx))
        return count

    async def succeed() -> int:
        done = 0
        while not over.is_set():
            jobs = await claim(database, ground, LONG_S)
            done += len(jobs)
            assert set(await asyncio.gather(*(commit(database, ground, job, 0) for job in jobs))) <= {"kept"}
        return done

    held = await claim(database, ground, short_s)
    others = [asyncio.create_task(rescue()) for _ in range(RESCUERS)]
    successor = asyncio.create_task(succeed())
    commits = (commit(database, ground, job, random.uniform(0, 2 * short_s)) for job in held)  # noqa: S311
    outcomes = Counter(await asyncio.gather(*commits))
    await ground.finished(60)
    over.set()
    return outcomes + Counter(rescued=sum(await asyncio.gather(*others)), succeeded=await successor)


@pytest.mark.parametrize("jobs", [200, pytest.param(1_000, marks=[pytest.mark.deep, pytest.mark.timeout(300)])])
async def test_a_late_rescuer_changes_no_job_that_was_completed_or_claimed_again(
    ground: Ground, wide_database: Database, jobs: int, record_figure: Figures
) -> None:
    outcomes: Counter[str] = Counter()
    short_s = SHORT_S
    for _ in range(jobs // BATCH):
        await ground.enqueue(BATCH)
        found = await race(wide_database, ground, short_s)
        short_s *= 1.5 if found["kept"] < found["rescued"] else 1 / 1.5
        outcomes += found
    await ground.judge("rescue race", SHORT_S)
    # Whoever was not rescued has committed, and a job that was claimed again was never rescued a second time.
    assert outcomes["kept"] + outcomes["rescued"] == jobs
    assert outcomes["refused"] == outcomes["rescued"] == outcomes["succeeded"]
    assert min(outcomes["kept"], outcomes["rescued"]) >= jobs // 20, f"{outcomes}: there was no race"
    told = f"{outcomes['kept']} committed first, {outcomes['rescued']} rescued first; 0 doubled"
    record_figure.record("S.Q3 jobs that no stale rescuer changed", jobs, unit=told, tried=jobs)
