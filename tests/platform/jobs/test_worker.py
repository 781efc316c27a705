"""A worker in this process: how runs end, what is tried again, what is buried, and what a stop leaves behind."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from mainstay.kernel.errors import Invalid, MainstayError, Unavailable
from mainstay.platform.jobs import (
    DeadJob,
    Duty,
    JobHandler,
    JobKind,
    JobRegistry,
    JobRun,
    Reject,
    Retry,
    Worker,
    enqueue,
    store,
)
from mainstay.platform.postgres import Database, WriteTx
from tests.platform.jobs.conftest import Lab
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import DEADLINE_S, QUICK, SHORT, bury_with_effect, commit_effect, eventually


async def run_until(lab: Lab, handler: JobHandler, state: str) -> UUID:
    """Enqueue one job, work until it is in `state`, and return its id."""
    job_id = await lab.enqueue(handler.kind)
    async with lab.working(handler):
        await eventually(lambda: lab.is_in(job_id, state))
    return job_id


def count_of(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_jobs_are_run_once_each(lab: Lab) -> None:
    handler = lab.handler(commit_effect)
    async with lab.database.write(lab.tenant.admin) as tx:
        ids = [await enqueue(tx, handler.kind, {}, request_id="test") for _ in range(50)]
    async with lab.working(handler):
        await eventually(lambda: lab.are_all("succeeded"))
    assert await lab.table.effects(lab.queue) == sorted((job_id, "done") for job_id in ids)
    assert count_of("mainstay_jobs_runs_total", queue=lab.queue, kind="note", outcome="succeeded") == 50


async def test_no_more_jobs_run_than_there_are_slots(lab: Lab) -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def run(job: JobRun) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await full.wait()
        await commit_effect(job)
        running -= 1

    handler = lab.handler(run)
    for _ in range(9):
        await lab.enqueue(handler.kind)
    async with lab.working(handler, limits=replace(QUICK, concurrency=3)):
        await eventually(lambda: lab.are_all("succeeded"))
    assert most == 3


async def test_handler_that_returns_without_a_commit_has_succeeded(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        assert (job.tenant_id, job.principal_id) == (lab.tenant.tenant_id, lab.tenant.admin_id)
        assert job.scope.sees_all

    await run_until(lab, lab.handler(run), "succeeded")


async def test_checkpoint_writes_and_leaves_the_job_running(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        async with job.checkpoint(unaudited="a test"):
            pass
        assert await lab.state(job.job_id) == "running"
        await commit_effect(job)

    await run_until(lab, lab.handler(run), "succeeded")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("boom \x00\ud800 " + "x" * 3000), "crashed"),
        (Retry(0, code="rate_limited", reason="The provider asked to wait."), "rate_limited"),
        (Unavailable("The model does not answer."), "unavailable"),
        (asyncio.CancelledError(), "crashed"),
    ],
)
async def test_error_that_may_pass_is_tried_again_until_no_attempt_is_left(
    lab: Lab, error: BaseException, code: str
) -> None:
    attempts: list[int] = []

    async def run(job: JobRun) -> None:
        attempts.append(job.attempt)
        raise error

    handler = JobHandler(lab.kind(attempts_max=3), run, bury_with_effect)
    job = await lab.table.job(await run_until(lab, handler, "dead"))
    assert attempts == [1, 2, 3]
    assert (job["attempt"], job["error_code"]) == (3, code)
    assert len(job["error"]) <= 2000
    assert job["error"]
    assert await lab.table.effects(lab.queue) == [(job["id"], f"dead: {code}")]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Reject("encrypted", "The file needs a password."), "encrypted", "The file needs a password."),
        (Invalid("The store 'x' is not one."), "invalid_request", "The store 'x' is not one."),
    ],
)
async def test_error_that_will_not_pass_fails_at_once(lab: Lab, error: Exception, code: str, text: str) -> None:
    async def run(job: JobRun) -> None:
        raise error

    handler = JobHandler(lab.kind(), run, bury_with_effect)
    job = await lab.table.job(await run_until(lab, handler, "dead"))
    assert (job["attempt"], job["error_code"], job["error"]) == (1, code, text)


async def test_retry_waits_as_long_as_it_was_told(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        if job.attempt == 1:
            raise Retry(3600)
        await commit_effect(job)

    handler = lab.handler(run)
    job_id = await lab.enqueue(handler.kind)

    async def waits() -> bool:
        job = await lab.table.job(job_id)
        return job["state"] == "queued" and job["attempt"] == 1

    async with lab.working(handler):
        await eventually(waits)
        due_in = await lab.table.connection.fetchval(
            "SELECT extract(epoch FROM run_at - now())::float8 FROM mainstay.jobs WHERE id = $1", job_id
        )
        assert 3500 < due_in <= 3600
        await lab.table.make_due(lab.queue)
        await eventually(lambda: lab.is_in(job_id, "succeeded"))


def test_backoff_is_random_below_a_ceiling_that_doubles(queue: str) -> None:
    job_kind = JobKind("note", queue, timeout_s=1, backoff_s=2, backoff_s_max=20)
    for attempt, ceiling in ((1, 2), (2, 4), (3, 8), (4, 16), (5, 20), (25, 20)):
        delays = [job_kind.delay_after(attempt) for _ in range(400)]
        assert 0 <= min(delays) < 0.1 * ceiling
        assert 0.9 * ceiling < max(delays) <= ceiling


async def test_attempt_that_takes_too_long_is_cancelled_and_tried_again(lab: Lab) -> None:
    cleaned_up: list[int] = []

    async def run(job: JobRun) -> None:
        if job.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                cleaned_up.append(job.attempt)
        await commit_effect(job)

    handler = lab.handler(run, timeout_s=0.05)
    job_id = await run_until(lab, handler, "succeeded")
    assert cleaned_up == [1]
    assert (await lab.table.job(job_id))["attempt"] == 2


async def test_handler_that_ignores_its_cancellation_is_left_behind_and_its_job_rescued(lab: Lab) -> None:
    free = asyncio.Event()
    stale: list[str] = []

    async def run(job: JobRun) -> None:
        if job.attempt == 1:
            while not free.is_set():
                try:
                    await free.wait()
                except asyncio.CancelledError:
                    continue
            try:
                await commit_effect(job)
            except MainstayError as error:
                stale.append(error.code)
            return
        await commit_effect(job)

    handler = lab.handler(run, timeout_s=0.05)
    job_id = await lab.enqueue(handler.kind)
    async with lab.working(handler, limits=replace(SHORT, cancel_grace_s=0.05)):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
        free.set()

        async def refused() -> bool:
            return stale == ["lease_lost"]

        await eventually(refused)
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_lost_lease_cancels_the_handler(lab: Lab) -> None:
    cancelled = asyncio.Event()
    started = asyncio.Event()

    async def run(job: JobRun) -> None:
        if job.attempt > 1:
            return await commit_effect(job)
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    handler = lab.handler(run, timeout_s=3600.0)
    job_id = await lab.enqueue(handler.kind)
    async with lab.working(handler):
        await started.wait()
        await lab.table.take_away(lab.queue)
        async with asyncio.timeout(DEADLINE_S):
            await cancelled.wait()
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_heartbeat_keeps_a_job_beyond_the_lease_it_was_claimed_with(lab: Lab) -> None:
    started = asyncio.Event()
    end = asyncio.Event()

    async def run(job: JobRun) -> None:
        started.set()
        await end.wait()
        await commit_effect(job)

    async def is_prolonged() -> bool:
        return (await lab.table.job(job_id))["lease_expires_at"] > first + timedelta(seconds=1)

    handler = lab.handler(run)
    job_id = await lab.enqueue(handler.kind)
    async with lab.working(handler, limits=replace(QUICK, lease_s=60.0)):
        await started.wait()
        first = (await lab.table.job(job_id))["lease_expires_at"]
        await eventually(is_prolonged)
        end.set()
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    job = await lab.table.job(job_id)
    assert (job["attempt"], job["fence"]) == (1, 1)


async def test_error_after_the_commit_changes_nothing(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        await commit_effect(job)
        raise RuntimeError("too late")

    job_id = await run_until(lab, lab.handler(run), "succeeded")
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_burial_that_raises_is_tried_until_it_is_done(lab: Lab) -> None:
    tries: list[str] = []

    async def run(job: JobRun) -> None:
        raise Reject("broken", "It is broken.")

    async def on_dead(tx: WriteTx, dead: DeadJob) -> None:
        tries.append(dead.error_code)
        await bury_with_effect(tx, dead)
        if len(tries) < 4:
            raise RuntimeError("the slice is broken too")

    handler = JobHandler(lab.kind(), run, on_dead)
    job_id = await run_until(lab, handler, "dead")
    assert tries == ["broken"] * 4
    assert await lab.table.effects(lab.queue) == [(job_id, "dead: broken")]


async def test_burial_by_several_workers_happens_once(lab: Lab) -> None:
    """Also when nobody recorded the failure: rescue finds the last attempt's lease expired."""

    async def run(job: JobRun) -> None:
        raise AssertionError("no attempt is left")

    handler = JobHandler(lab.kind(attempts_max=1), run, bury_with_effect)
    ids = [await lab.enqueue(handler.kind) for _ in range(20)]
    async with lab.database.keyhole() as tx:
        await store.claim(tx, queues=[lab.queue], kinds=["note"], worker="killed", count_max=20, lease_s=0)
    async with lab.working(handler), lab.working(handler), lab.working(handler):
        await eventually(lambda: lab.are_all("dead"))
    assert await lab.table.effects(lab.queue) == sorted((job_id, "dead: lease_expired") for job_id in ids)


async def test_failed_job_of_an_unknown_kind_waits_for_a_worker_that_can_bury_it(lab: Lab) -> None:
    async def run(job: JobRun) -> None:
        raise Reject("broken", "It is broken.")

    job_id = await lab.enqueue(lab.kind(attempts_max=1))
    async with lab.database.keyhole() as tx:
        await store.claim(tx, queues=[lab.queue], kinds=["note"], worker="killed", count_max=1, lease_s=0)
    async with lab.working(lab.handler(run, "other")):
        await eventually(lambda: lab.is_in(job_id, "failed"))
    assert await lab.state(job_id) == "failed"
    async with lab.working(JobHandler(lab.kind(attempts_max=1), run, bury_with_effect)):
        await eventually(lambda: lab.is_in(job_id, "dead"))


async def test_stop_claims_nothing_more_and_lets_running_jobs_end(lab: Lab) -> None:
    started, end = asyncio.Event(), asyncio.Event()

    async def run(job: JobRun) -> None:
        started.set()
        await end.wait()
        await commit_effect(job)

    handler = lab.handler(run)
    first = await lab.enqueue(handler.kind)
    worker, stop = Worker(lab.database, JobRegistry([handler]), QUICK), asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    await started.wait()
    stop.set()
    second = await lab.enqueue(handler.kind)
    end.set()
    await working
    assert (await lab.state(first), await lab.state(second)) == ("succeeded", "queued")


async def test_backends_ended_under_a_worker_lose_and_double_nothing(lab: Lab, database_urls: DatabaseUrls) -> None:
    application = f"victim-{lab.queue}"
    database = await Database.connect(database_urls.app, application=application, scope_key=SCOPE_KEY)
    ended = 0

    async def run(job: JobRun) -> None:
        nonlocal ended
        if job.attempt == 1 and job.payload["number"] % 10 == 0:
            ended += await lab.table.end_backends(application)
        await commit_effect(job)

    handler = lab.handler(run, attempts_max=10)
    ids = [await lab.enqueue(handler.kind, {"number": number}) for number in range(60)]
    async with lab.working(handler, limits=SHORT, database=database):
        await eventually(lambda: lab.are_all("succeeded"))
    await database.close()
    assert ended >= 6
    assert await lab.table.effects(lab.queue) == sorted((job_id, "done") for job_id in ids)


async def test_duties_are_done_again_and_again_whatever_they_raise(lab: Lab) -> None:
    done: list[str] = []

    async def raises() -> None:
        done.append("raises")
        raise RuntimeError("boom")

    async def hangs() -> None:
        done.append("hangs")
        await asyncio.Event().wait()

    async def enough() -> bool:
        # The last one that hangs is ended by the stop.
        return done.count("raises") >= 3 and done.count("hangs") >= 4

    duties = (Duty("raises", 0.01, raises), Duty("hangs", 0.01, hangs, timeout_s=0.05))
    async with lab.working(lab.handler(commit_effect), duties=duties):
        await eventually(enough)
    assert count_of("mainstay_duties_runs_total", duty="raises", outcome="failed") >= 3
    assert count_of("mainstay_duties_runs_total", duty="hangs", outcome="timeout") >= 3


async def test_depth_of_queues_is_measured(lab: Lab) -> None:
    async def measured() -> bool:
        return count_of("mainstay_jobs_unfinished", queue=lab.queue, state="queued") == 2

    await lab.enqueue(lab.kind(), delay_s=3600)
    await lab.enqueue(lab.kind("from_the_future"))
    async with lab.working(lab.handler(commit_effect), limits=replace(QUICK, depth_s=0.05)):
        await eventually(measured)
