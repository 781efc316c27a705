"""Rules of queues: caps and rates that no number of claimers exceeds, priorities with aging, and pauses."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import asyncpg
import pytest

from mainstay.platform.jobs import JobHandler, JobRegistry, JobRun, Queue, Throttled, store
from mainstay.platform.jobs.limits import AGING_S, PAUSE_S, PAUSE_S_MAX
from mainstay.platform.jobs.models import Lease
from mainstay.platform.postgres import Database
from tests.platform.jobs.conftest import Lab
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import QUICK, commit_effect, enqueue_many, eventually
from tests.support.tenants import TestTenant, make_tenant


async def claim(
    lab: Lab, count_max: int = 1, *, rules: Sequence[Queue] = (), database: Database | None = None
) -> list[Lease]:
    async with (database or lab.database).keyhole_statements() as tx:
        return list(
            await store.claim(
                tx, queues=[lab.queue], kinds=["note"], worker="test", count_max=count_max, lease_s=60, rules=rules
            )
        )


async def finish(lab: Lab, leases: Sequence[Lease]) -> None:
    async with lab.database.keyhole_statements() as tx:
        await store.finish_many(tx, leases)


def test_rules_are_checked_where_they_are_declared(lab: Lab) -> None:
    handler = JobHandler(lab.kind(), commit_effect)
    with pytest.raises(ValueError, match="has no rule: give it one"):
        Queue(lab.queue)
    with pytest.raises(ValueError, match="from 1 to 1000000, not 0"):
        Queue(lab.queue, concurrency_max=0)
    with pytest.raises(ValueError, match="have rules, but no handler is for them"):
        JobRegistry([handler], queues=[Queue("another", concurrency_max=1)])
    with pytest.raises(ValueError, match="has rules twice"):
        JobRegistry([handler], queues=[Queue(lab.queue, concurrency_max=1), Queue(lab.queue, starts_per_minute_max=1)])


@pytest.mark.parametrize(
    ("rule", "total", "per_tenant"),
    [
        ({"concurrency_max": 7}, 7, 7),
        ({"concurrency_per_tenant_max": 3}, 6, 3),
        ({"concurrency_max": 5, "concurrency_per_tenant_max": 3}, 5, 3),
    ],
)
async def test_caps_hold_over_concurrent_claimers(
    lab: Lab,
    other_tenant: TestTenant,
    database_urls: DatabaseUrls,
    rule: dict[str, int],
    total: int,
    per_tenant: int,
) -> None:
    """Twelve claimers on connections of their own take what they get, and end some of it, at the same time."""
    for scope in (lab.tenant.admin, other_tenant.admin):
        await enqueue_many(lab.database, scope, lab.kind(), 150)
    rules = [Queue(lab.queue, **rule)]
    ended = asyncio.Event()
    seen: list[int] = []

    async def watch() -> None:
        """Look at the table as fast as it goes, for as long as anybody claims."""
        while not ended.is_set():
            rows = await lab.table.connection.fetch(
                "SELECT count(*) AS jobs FROM mainstay.jobs WHERE queue = $1 AND state = 'running' GROUP BY tenant_id",
                lab.queue,
            )
            counts = [row["jobs"] for row in rows]
            assert sum(counts) <= total, counts
            assert max(counts, default=0) <= per_tenant, counts
            seen.append(sum(counts))

    async def work() -> int:
        claimed, idle = 0, 0
        while idle < 5:
            leases = await claim(lab, 4, rules=rules, database=database)
            idle = 0 if leases else idle + 1
            claimed += len(leases)
            if leases:
                await finish(lab, leases)
        return claimed

    async with AsyncExitStack() as stack:
        database = await Database.connect(database_urls.app, scope_key=SCOPE_KEY)
        stack.push_async_callback(database.close)
        watching = asyncio.create_task(watch())
        claimed = sum(await asyncio.gather(*(work() for _ in range(12))))
        ended.set()
        await watching
    assert claimed >= 100
    assert max(seen) == total, "the cap was never reached, so nothing was tried"
    left = await claim(lab, 50, rules=rules)
    running = Counter(lease.tenant_id for lease in left)
    assert await claim(lab, 50, rules=rules) == [] or sum(running.values()) < total
    assert max(running.values(), default=0) <= per_tenant


async def test_queue_at_its_cap_leaves_slots_to_others(lab: Lab, queue: str) -> None:
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 20)
    other = replace(lab.kind(), queue=f"{queue}.other")
    await enqueue_many(lab.database, lab.tenant.admin, other, 20)
    claimed: list[Lease] = []
    for _ in range(6):
        async with lab.database.keyhole_statements() as tx:
            claimed += await store.claim(
                tx,
                queues=[lab.queue, other.queue],
                kinds=["note"],
                worker="test",
                count_max=12 - len(claimed),
                lease_s=60,
                rules=[Queue(lab.queue, concurrency_max=2)],
            )
        if len(claimed) == 12:
            break
    assert len(claimed) == 12
    assert await lab.table.states(lab.queue) == {"running": 2, "queued": 18}


@pytest.mark.parametrize("rate", [1, 7, 60, 600])
async def test_no_minute_has_more_starts_than_the_rate(lab: Lab, rate: int) -> None:
    """Time passes in steps, by moving the bucket into the past; whatever the steps, no window is over the rate."""
    rules = [Queue(lab.queue, starts_per_minute_max=rate)]
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 3 * rate + 20)
    starts: list[tuple[float, int]] = []
    now_s = 0.0
    for step_s in [0.0, 0.5, 1.0, 3.0, 7.5, 0.2, 20.0, 30.0, 59.0, 0.1, 0.1, 60.0, 1.0, 29.0, 29.0] * 2:
        now_s += step_s
        await lab.table.connection.execute(
            "UPDATE mainstay.queue_states SET reckoned_at = reckoned_at - make_interval(secs => $2) WHERE queue = $1",
            lab.queue, step_s,
        )  # fmt: skip
        leases = await claim(lab, 1000, rules=rules)
        await finish(lab, leases)
        starts.append((now_s, len(leases)))
    for begin_s, _ in starts:
        inside = sum(count for at_s, count in starts if begin_s <= at_s < begin_s + 59.9)
        assert inside <= rate, (begin_s, starts)
    # The rate is used: a minute after a long wait is all but full.
    assert sum(count for _, count in starts) >= min(3, rate)


async def test_rate_is_shared_by_concurrent_claimers(lab: Lab) -> None:
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 100)
    rules = [Queue(lab.queue, starts_per_minute_max=60)]
    claimed = await asyncio.gather(*(claim(lab, 50, rules=rules) for _ in range(8)))
    assert 3 <= sum(map(len, claimed)) <= 3 + 2, "the bucket of 60 a minute holds 3, and the test takes under a second"


async def set_priority(lab: Lab, priority: int, waited_s: float, kind: str = "note") -> None:
    """Give all jobs of a kind a priority, and let them have waited so long."""
    await lab.table.connection.execute(
        "UPDATE mainstay.jobs SET priority = $2, run_at = now() - make_interval(secs => $3)"
        " WHERE queue = $1 AND kind = $4", lab.queue, priority, waited_s, kind,
    )  # fmt: skip


async def test_high_priority_goes_first_and_a_low_one_waits_bounded(lab: Lab) -> None:
    kinds = ["high", "low"]
    for name, priority, waited_s in (("high", 0, 10), ("low", 2, 2 * AGING_S)):
        await enqueue_many(lab.database, lab.tenant.admin, lab.kind(name, priority=priority), 3)
        await set_priority(lab, priority, waited_s, name)

    async def next_kind() -> str:
        async with lab.database.keyhole_statements() as tx:
            (lease,) = await store.claim(tx, queues=[lab.queue], kinds=kinds, worker="test", count_max=1, lease_s=60)
        return (await lab.table.job(lease.job_id))["kind"]

    assert await next_kind() == "high", "two priorities are worth two agings, and 'low' waited only 110 s longer"
    await set_priority(lab, 2, 2 * AGING_S + 11, "low")
    await set_priority(lab, 0, 10, "high")
    assert await next_kind() == "low", "it became due more than two agings before the high ones"


async def test_priority_decides_nothing_between_tenants(lab: Lab, other_tenant: TestTenant) -> None:
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 20)
    await set_priority(lab, 0, 0)
    await enqueue_many(lab.database, other_tenant.admin, lab.kind(), 20)
    claimed = Counter(lease.tenant_id for lease in await claim(lab, 10))
    assert claimed == {lab.tenant.tenant_id: 5, other_tenant.tenant_id: 5}


async def test_paused_queue_starts_nothing_until_its_time(lab: Lab) -> None:
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 2)
    (lease,) = await claim(lab)
    async with lab.database.keyhole() as tx:
        assert 29 < await store.put_off(tx, lease, lab.queue, 30) <= 30
    async with lab.database.keyhole() as tx:
        assert 29 < await store.put_off(tx, lease, lab.queue, 1) <= 30, "the longest pause counts"
    job = await lab.table.job(lease.job_id)
    assert (job["state"], job["attempt"]) == ("queued", 0)
    assert await claim(lab, 10) == []
    assert await claim(lab, 10, rules=[Queue(lab.queue, concurrency_max=5)]) == []
    await lab.table.connection.execute(
        "UPDATE mainstay.queue_states SET paused_until = now() WHERE queue = $1", lab.queue
    )
    assert len(await claim(lab, 10)) == 2


@pytest.mark.parametrize(
    ("asked_s", "waits_s"),
    [(None, PAUSE_S), (3.0, 3.0), (1e9, PAUSE_S_MAX), (-5.0, 0.5), (float("nan"), PAUSE_S), (float("inf"), PAUSE_S)],
)
def test_throttled_waits_within_limits(asked_s: float | None, waits_s: float) -> None:
    assert Throttled(asked_s).retry_after_s == waits_s


async def test_throttled_job_pauses_its_queue_and_counts_no_attempt(lab: Lab) -> None:
    """Two workers; the first call is refused for a second, and none of the others starts before that is over."""
    clock = asyncio.get_running_loop().time
    starts: list[float] = []

    async def call(run: JobRun) -> None:
        starts.append(clock())
        if len(starts) == 1:
            raise Throttled(1.0)
        await commit_effect(run)

    handler = lab.handler(call, attempts_max=1)
    ids = [await lab.enqueue(handler.kind) for _ in range(10)]
    rules = [Queue(lab.queue, concurrency_max=1)]

    async def are_done() -> bool:
        return await lab.are_all("succeeded")

    async with (
        lab.working(handler, limits=QUICK, queues=rules),
        lab.working(handler, limits=QUICK, queues=rules),
    ):
        await eventually(are_done)
    assert starts[1] - starts[0] >= 1.0
    assert len(starts) == len(ids) + 1
    assert sorted(await lab.table.effects(lab.queue)) == sorted((job_id, "done") for job_id in ids)
    assert {(await lab.table.job(job_id))["attempt"] for job_id in ids} == {1}


async def test_runtime_role_reads_no_state_of_a_queue(lab: Lab, database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.app)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM mainstay.queue_states")
    finally:
        await connection.close()


async def test_noisy_tenant_does_not_hold_up_another(lab: Lab, owner_database: Database) -> None:
    """10,000 jobs of one tenant wait; the first job of each of ten others is among the next that are claimed."""
    await enqueue_many(lab.database, lab.tenant.admin, lab.kind(), 10_000)
    noisy = await claim(lab, 8)
    others = [await make_tenant(owner_database) for _ in range(10)]
    for other in others:
        await enqueue_many(lab.database, other.admin, lab.kind(), 1)
    served: set[object] = set()
    for lease in noisy * 2:
        await finish(lab, [lease])
        served |= {claimed.tenant_id for claimed in await claim(lab, 1)}
    assert served >= {other.tenant_id for other in others}
