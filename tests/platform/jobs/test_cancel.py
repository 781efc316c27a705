"""Cancelling: at once for what waits, by an interruption for what runs, and never for what has committed."""

import asyncio
from dataclasses import replace
from uuid import UUID

from mainstay.platform.jobs import JobHandler, JobRun, Retry, store
from mainstay.platform.jobs.models import Lease
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK, bury_with_effect, commit_effect, eventually

PROMPT = replace(QUICK, cancel_s=0.05)


async def claim(lab: Lab, *, lease_s: float = 60) -> Lease:
    async with lab.database.keyhole() as tx:
        (lease,) = await store.claim(
            tx, queues=[lab.queue], kinds=["note"], worker="test", count_max=1, lease_s=lease_s
        )
    return lease


async def outcomes(lab: Lab, job_id: UUID) -> list[str]:
    rows = await lab.table.connection.fetch("SELECT outcome FROM mainstay.job_attempts WHERE job_id = $1", job_id)
    return [row["outcome"] for row in rows]


async def forever(run: JobRun) -> None:
    await asyncio.Event().wait()


async def test_queued_job_is_cancelled_at_once_and_its_kind_is_told(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    assert (await lab.cancel(job_id)).cancelled == [job_id]
    assert await lab.state(job_id) == "cancelled"
    assert await lab.table.effects(lab.queue) == []
    async with lab.working(JobHandler(lab.kind(), commit_effect, bury_with_effect)):
        await eventually(lambda: lab.table.effects(lab.queue))
    assert await lab.table.effects(lab.queue) == [(job_id, "dead: cancelled")]
    job = await lab.table.job(job_id)
    assert (job["state"], job["untold"], job["attempt"]) == ("cancelled", False, 0)
    assert await outcomes(lab, job_id) == []


async def test_running_job_is_interrupted_and_told_of(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    async with lab.working(JobHandler(lab.kind(), forever, bury_with_effect), limits=PROMPT):
        await eventually(lambda: lab.is_in(job_id, "running"))
        assert (await lab.cancel(job_id)).interrupted == [job_id]
        await eventually(lambda: lab.is_in(job_id, "cancelled"))
        await eventually(lambda: lab.table.effects(lab.queue))
    assert await lab.table.effects(lab.queue) == [(job_id, "dead: cancelled")]
    assert await outcomes(lab, job_id) == ["cancelled"]


async def test_job_that_committed_meanwhile_has_succeeded(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    lease = await claim(lab)
    committing, go_on = asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        async with lab.database.write(lease.scope) as tx:
            await store.finish(tx, lease)
            committing.set()
            await go_on.wait()

    task = asyncio.create_task(commit())
    await committing.wait()
    cancelling = asyncio.create_task(lab.cancel(job_id))
    await eventually(lambda: _waits_for_a_lock(lab))
    go_on.set()
    await task
    done = await cancelling
    assert (done.cancelled, done.interrupted) == ([], [])
    assert await lab.state(job_id) == "succeeded"


async def _waits_for_a_lock(lab: Lab) -> bool:
    return await lab.table.connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND query LIKE '%cancel_requested_at%')"
    )


async def test_job_that_asks_for_another_attempt_is_cancelled_instead(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())

    async def ask_again(run: JobRun) -> None:
        await lab.cancel(run.job_id)
        raise Retry(0)

    async with lab.working(lab.handler(ask_again)):
        await eventually(lambda: lab.is_in(job_id, "cancelled"))


async def test_job_of_a_dead_worker_is_cancelled_by_the_rescue(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    await claim(lab, lease_s=0)
    await lab.cancel(job_id)
    async with lab.database.keyhole() as tx:
        await store.rescue(tx)
    assert await lab.state(job_id) == "cancelled"
    assert await outcomes(lab, job_id) == ["lease_expired"]


async def test_job_that_is_handed_back_is_cancelled(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    lease = await claim(lab)
    await lab.cancel(job_id)
    async with lab.database.keyhole() as tx:
        await store.hand_back(tx, [lease], [lab.queue])
    assert await lab.state(job_id) == "cancelled"


async def test_same_work_can_be_enqueued_beside_a_job_that_is_being_cancelled(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind(), unique_key="work")
    await claim(lab)
    assert await lab.enqueue(lab.kind(), unique_key="work") == job_id
    await lab.cancel(job_id)
    assert await lab.enqueue(lab.kind(), unique_key="work") != job_id


async def test_progress_tells_a_handler_of_the_cancellation(lab: Lab) -> None:
    """Without waiting for the worker to ask."""
    job_id = await lab.enqueue(lab.kind())

    async def work(run: JobRun) -> None:
        await lab.cancel(run.job_id)
        run._progress_at = float("-inf")
        await run.report_progress(1, 2)
        await commit_effect(run)

    async with lab.working(lab.handler(work), limits=replace(QUICK, cancel_s=3600.0)):
        await eventually(lambda: lab.is_in(job_id, "cancelled"))
    assert await lab.table.effects(lab.queue) == []


async def test_ended_jobs_stay_as_they_are(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    async with lab.working(lab.handler(commit_effect)):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    await lab.cancel(job_id)
    assert await lab.state(job_id) == "succeeded"


async def test_draining_worker_still_hears_of_cancellations(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    patient = replace(PROMPT, drain_s=60.0)
    async with lab.working(lab.handler(forever), limits=patient):
        await eventually(lambda: lab.is_in(job_id, "running"))
        later = asyncio.create_task(lab.cancel(job_id))
    await later
    assert await lab.state(job_id) == "cancelled"
