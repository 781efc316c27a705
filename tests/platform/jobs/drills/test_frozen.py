"""S.Q2: workers that stand still for two leases and wake in the middle of their work. None of it is kept."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mainstay.platform.jobs import JobRegistry, Worker
from tests.platform.jobs.drills.crew import Crew, Crewman
from tests.platform.jobs.drills.ground import Ground
from tests.platform.jobs.drills.orders import Orders
from tests.platform.jobs.drills.worker import Points, drilled
from tests.support.figures import Figures
from tests.support.jobs import eventually

SLOTS = 4


@asynccontextmanager
async def healthy_worker(ground: Ground, orders: Orders) -> AsyncIterator[None]:
    """Work the queue in this process while the block lasts."""
    worker = Worker(ground.database, JobRegistry([drilled(orders, Points())]), orders.limits)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def freeze_all(ground: Ground, workers: list[Crewman], orders: Orders, point: str) -> list[str]:
    """Fill every slot, freeze the workers for two leases while another does their jobs, and wake them to commit.

    Return what they say of it, the name of an error or `committed` for each job.
    """
    for worker in workers:
        await worker.say(f"arm-all {point}")
    await ground.enqueue(SLOTS * len(workers))
    for worker in workers:
        for _ in range(SLOTS):
            await worker.hear("at")
        worker.signal(signal.SIGSTOP)
    frozen_s = time.monotonic()
    async with healthy_worker(ground, orders):
        await ground.finished(60)

        async def two_leases_are_over() -> bool:
            return time.monotonic() - frozen_s > 2 * orders.lease_s

        await eventually(two_leases_are_over)
    for worker in workers:
        await worker.say("go")
        worker.signal(signal.SIGCONT)
    return [await worker.hear_outcome() for worker in workers for _ in range(SLOTS)]


@pytest.mark.parametrize(
    ("workers", "rounds"),
    [(1, 2), pytest.param(5, 20, marks=[pytest.mark.deep, pytest.mark.timeout(600)])],
)
async def test_nothing_of_a_frozen_worker_is_kept(
    ground: Ground, workers: int, rounds: int, record_figure: Figures
) -> None:
    orders = Orders(
        ground.urls.app, ground.queue, lease_s=1.0, heartbeat_s=0.2, rescue_s=0.2, concurrency=SLOTS, stubborn=True
    )
    outcomes: Counter[str] = Counter()
    async with Crew(orders, workers) as crew:
        for worker in crew.workers:
            await worker.ready()
        for turn in range(rounds):
            outcomes.update(await freeze_all(ground, crew.workers, orders, ("before", "inside")[turn % 2]))
        await crew.stop()
    report = await ground.judge("workers frozen", orders.lease_s)
    # Each of them went on to its commit, and the fence refused it; on a busy machine the database has sometimes ended
    # the idle transaction before, so that no connection was left to commit on.
    assert set(outcomes) <= {"LeaseLost", "Unavailable"}, outcomes
    assert sum(outcomes.values()) == workers * rounds * SLOTS
    assert outcomes["LeaseLost"] >= workers * rounds * SLOTS // 2, outcomes
    tried = sum(outcomes.values())
    told = (
        f"{workers * rounds} workers frozen for two leases, {outcomes['LeaseLost']} by the fence; {report['jobs']} jobs"
    )
    record_figure.record(
        "S.Q2 commits of a stale lease refused", tried, unit=f"{told}, 0 doubled, 0 stale", tried=tried
    )
