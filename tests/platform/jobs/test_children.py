"""Children and their join: the last end wakes the parent once, whoever is killed and in whatever order it happens."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from mainstay.platform.jobs import Children, JobHandler, JobRun, Reject, enqueue, family_store, interventions, store
from mainstay.platform.jobs.limits import CHILDREN_MAX
from mainstay.platform.jobs.models import Lease
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK, JobTable, commit_effect, eventually, kind, write_effect

SLEEPY = replace(QUICK, wake_s=3600.0)


def parent_of(lab: Lab, count: int, name: str = "child", **given: object) -> JobHandler:
    """A parent that spawns `count` children, and whose join writes down what became of them."""

    async def run(job: JobRun) -> None:
        async with job.wait_for_children(unaudited="a test") as tx:
            for number in range(count):
                await enqueue(tx, lab.kind(name), {"n": number}, request_id="test", parent=job.job_id)

    async def join(job: JobRun, children: Children) -> None:
        counts = ", ".join(f"{count} {state}" for state, count in sorted(children.counts.items()))
        job.set_result({"results": list(children.results)})
        async with job.commit(unaudited="a test") as tx:
            await write_effect(tx, job.job_id, job.attempt, f"joined {counts}")

    return JobHandler(lab.kind("parent", **given), run, join=join)


async def double(run: JobRun) -> None:
    run.set_result(run.payload["n"] * 2)
    await commit_effect(run)


async def joined(lab: Lab, parent: UUID) -> list[str]:
    return [note for job_id, note in await lab.table.effects(lab.queue) if job_id == parent]


async def test_parent_joins_its_children_with_their_results(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent"))
    async with lab.working(parent_of(lab, 7), lab.handler(double, "child"), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "succeeded"))
    assert await joined(lab, parent) == ["joined 7 succeeded"]
    job = await lab.table.job(parent)
    assert (job["result"], job["attempt"], job["joins"]) == ('{"results": [0, 2, 4, 6, 8, 10, 12]}', 1, True)


async def test_parent_without_children_joins_at_once(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent"))
    async with lab.working(parent_of(lab, 0), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "succeeded"))
    assert await joined(lab, parent) == ["joined "]


async def test_parent_with_one_attempt_has_one_more_for_its_join(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent", attempts_max=1))
    async with lab.working(parent_of(lab, 2, attempts_max=1), lab.handler(double, "child"), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "succeeded"))


async def test_children_that_die_or_are_cancelled_count_too(lab: Lab) -> None:
    async def refuse(run: JobRun) -> None:
        if run.payload["n"] == 0:
            raise Reject("broken", "It is broken.")
        if run.payload["n"] == 1:
            await asyncio.Event().wait()
        await double(run)

    parent = await lab.enqueue(lab.kind("parent"))
    limits = replace(SLEEPY, cancel_s=0.05)
    async with lab.working(parent_of(lab, 3), lab.handler(refuse, "child"), limits=limits):
        await eventually(lambda: _count(lab, parent, "succeeded", 1))
        await eventually(lambda: _count(lab, parent, "dead", 1))
        (stuck,) = await lab.table.connection.fetch(
            "SELECT id FROM mainstay.jobs WHERE parent_id = $1 AND state = 'running'", parent
        )
        assert await lab.state(parent) == "waiting"
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.cancel(tx, stuck["id"])
        await eventually(lambda: lab.is_in(parent, "succeeded"))
    assert await joined(lab, parent) == ["joined 1 cancelled, 1 dead, 1 succeeded"]


async def _count(lab: Lab, parent: UUID, state: str, count: int) -> bool:
    query = "SELECT count(*) FROM mainstay.jobs WHERE parent_id = $1 AND state = $2"
    return await lab.table.connection.fetchval(query, parent, state) == count


async def test_join_may_spawn_a_second_generation(lab: Lab) -> None:
    first = parent_of(lab, 2)

    async def join(job: JobRun, children: Children) -> None:
        if len(children.all) < 4:
            await first.run(job)
        else:
            assert first.join is not None
            await first.join(job, children)

    parent = await lab.enqueue(lab.kind("parent"))
    handler = JobHandler(first.kind, first.run, join=join)
    async with lab.working(handler, lab.handler(double, "child"), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "succeeded"))
    assert await joined(lab, parent) == ["joined 4 succeeded"]


async def test_cancelled_parent_takes_its_children_with_it(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent"))
    async with lab.working(parent_of(lab, 3, "elsewhere"), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "waiting"))
    async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
        done = await interventions.cancel(tx, parent)
    assert len(done.cancelled) == 4
    assert await lab.table.states(lab.queue) == {"cancelled": 4}


async def test_parent_that_is_to_be_cancelled_spawns_nothing(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.cancel(tx, job.job_id)
        await parent_of(lab, 3).run(job)

    parent = await lab.enqueue(lab.kind("parent"))
    async with lab.working(lab.handler(run, "parent"), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "cancelled"))
    assert await lab.table.states(lab.queue) == {"cancelled": 1}


async def test_handler_without_join_is_told_so(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent"))
    handler = JobHandler(lab.kind("parent"), parent_of(lab, 0).run)
    async with lab.working(handler, limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "dead"))
    assert (await lab.table.job(parent))["error_code"] == "no_join"


async def test_children_have_a_limit(lab: Lab) -> None:
    parent = await lab.enqueue(lab.kind("parent"))
    async with lab.working(parent_of(lab, CHILDREN_MAX + 1), limits=SLEEPY):
        await eventually(lambda: lab.is_in(parent, "dead"))
    assert await lab.table.states(lab.queue) == {"dead": 1}


async def claim_all(lab: Lab, name: str, count: int) -> list[Lease]:
    async with lab.database.keyhole() as tx:
        return list(await store.claim(tx, queues=[lab.queue], kinds=[name], worker="t", count_max=count, lease_s=60))


async def end(lab: Lab, lease: Lease) -> None:
    async with lab.database.write(lease.scope) as tx:
        await store.finish(tx, lease)


async def spawned(lab: Lab, count: int) -> tuple[UUID, list[Lease]]:
    """Return a parent that waits, and the leases of its children."""
    parent = await lab.enqueue(lab.kind("parent"))
    (lease,) = await claim_all(lab, "parent", 1)
    async with lab.database.write(lease.scope, unaudited="a test") as tx:
        for _ in range(count):
            await enqueue(tx, lab.kind("child"), {}, request_id="test", parent=parent)
        await family_store.wait(tx, lease)
    return parent, await claim_all(lab, "child", count)


async def wake(lab: Lab, parent: UUID) -> int:
    async with lab.database.keyhole() as tx:
        return len(await family_store.wake_parents(tx, [(lab.tenant.tenant_id, parent)]))


async def test_look_before_the_last_end_wakes_nobody(lab: Lab) -> None:
    parent, (first, second) = await spawned(lab, 2)
    await end(lab, first)
    assert await wake(lab, parent) == 0
    await end(lab, second)
    assert await wake(lab, parent) == 1
    assert await wake(lab, parent) == 0


async def test_ends_and_looks_in_any_order_wake_a_parent_once(lab: Lab) -> None:
    """Twenty parents whose children end at once, each with its look: one of the looks sees them all."""
    for _ in range(20):
        parent, leases = await spawned(lab, 4)

        async def end_and_look(lease: Lease, parent: UUID = parent) -> int:
            await end(lab, lease)
            return await wake(lab, parent)

        woken = await asyncio.gather(*(end_and_look(lease) for lease in leases))
        assert sum(woken) == 1
        assert await lab.state(parent) == "queued"
        await end(lab, (await claim_all(lab, "parent", 1))[0])


async def test_child_that_ends_before_its_parent_waits_is_seen(lab: Lab) -> None:
    """The child's look comes too early; the one that follows the parent's own commit does not."""
    parent = await lab.enqueue(lab.kind("parent"))
    (lease,) = await claim_all(lab, "parent", 1)
    async with lab.database.write(lease.scope, unaudited="a test") as tx:
        await enqueue(tx, lab.kind("child"), {}, request_id="test", parent=parent)
    await end(lab, (await claim_all(lab, "child", 1))[0])
    assert await wake(lab, parent) == 0
    async with lab.database.write(lease.scope, unaudited="a test") as tx:
        await family_store.wait(tx, lease)
    assert await wake(lab, parent) == 1


async def test_late_look_does_not_wake_a_parent_that_waits_for_others(lab: Lab) -> None:
    """A statement that began before the first generation was joined must not end the wait for the second."""
    parent, leases = await spawned(lab, 1)
    await end(lab, leases[0])
    pool = lab.table.connection
    async with pool.acquire() as slow, pool.acquire() as other:
        holder = other.transaction()
        await holder.start()
        await other.execute("SELECT FROM mainstay.jobs WHERE id = $1 FOR UPDATE", parent)
        late = asyncio.create_task(
            slow.fetch("SELECT * FROM keyhole.wake_parents($1, $2)", [lab.tenant.tenant_id], [parent])
        )
        await eventually(lambda: _is_blocked(lab.table))
        # Meanwhile: woken, claimed, joined, and waiting again for a child that has not ended.
        await other.execute(
            "INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, run_at,"
            " attempts_max, parent_id) SELECT tenant_id, gen_random_uuid(), principal_id, 'r', queue, 'child', '{}',"
            " now(), 5, id FROM mainstay.jobs WHERE id = $1",
            parent,
        )
        await other.execute("UPDATE mainstay.jobs SET fence = fence + 1 WHERE id = $1", parent)
        await holder.commit()
        assert await late == []
    assert await lab.state(parent) == "waiting"


async def _is_blocked(table: JobTable) -> bool:
    return await table.connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%wake_parents%')"
    )


async def test_crash_between_an_end_and_its_look_is_caught(lab: Lab) -> None:
    parent, leases = await spawned(lab, 2)
    for lease in leases:
        await end(lab, lease)
    assert await lab.state(parent) == "waiting"
    async with lab.working(parent_of(lab, 0), limits=replace(QUICK, wake_s=0.1)):
        await eventually(lambda: lab.is_in(parent, "succeeded"))
    assert await joined(lab, parent) == ["joined 2 succeeded"]


async def drill(lab: Lab, parents: int, children: int, kills: int) -> None:
    """Parents and children under kills of workers: each parent joins once, with all of its children."""
    family = kind("family", lab.queue, attempts_max=25)
    ids = [await lab.enqueue(family, {"children": children}) for _ in range(parents)]
    workers = [await lab.child() for _ in range(2)]
    for kill in range(kills):
        before = await lab.table.connection.fetchval(
            "SELECT count(*) FROM mainstay.jobs WHERE queue = $1 AND state = 'succeeded'", lab.queue
        )
        await eventually(lambda before=before: _more_than(lab, before))
        victim = kill % len(workers)
        await workers[victim].kill()
        workers[victim] = await lab.child()
    await eventually(lambda: lab.are_all("succeeded"), deadline_s=240)
    assert await lab.table.states(lab.queue) == {"succeeded": parents * (children + 1)}
    notes = [note for job_id, note in await lab.table.effects(lab.queue) if job_id in ids]
    assert notes == [f"joined {children}"] * parents


async def _more_than(lab: Lab, before: int) -> bool:
    states = await lab.table.states(lab.queue)
    return states.get("succeeded", 0) > before or set(states) == {"succeeded"}


@pytest.mark.timeout(120)
async def test_families_outlive_kills_of_workers(lab: Lab) -> None:
    await drill(lab, parents=4, children=5, kills=3)


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_many_families_outlive_many_kills(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await drill(lab, parents=40, children=20, kills=40)
    with capsys.disabled():
        print("\n40 families of 20 under 40 kills of workers: each joined once, with all of its children")
