"""One contract for every transport: PostgreSQL, SQS as moto has it, and an SQS that loses, doubles and delays.

On SQS the worker does not look for jobs by itself, so that what it does was brought by a message or by the look.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from zlib import crc32

import pytest
from prometheus_client import REGISTRY

from mainstay.platform.jobs import JobHandler, JobRun, Retry, Worker, enqueue, store
from tests.platform.jobs.conftest import Lab
from tests.support.database import DatabaseUrls
from tests.support.jobs import DEADLINE_S, bury_with_effect, commit_effect, eventually, write_effect
from tests.support.sqs_stub import running_stub
from tests.support.tenants import TestTenant
from tests.support.transports import (
    CountingWakeups,
    MotoQueues,
    Transport,
    aws_environment,
    over_postgres,
    over_sqs,
    running_moto,
)

IDLE_S = 3.0


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoQueues]:
    with aws_environment(), running_moto() as address:
        yield MotoQueues(address)


@pytest.fixture(params=["postgres", "moto", "stub"])
async def transport(
    request: pytest.FixtureRequest, database_urls: DatabaseUrls, queue: str
) -> AsyncIterator[Transport]:
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            yield await stack.enter_async_context(over_postgres(database_urls))
        elif request.param == "moto":
            moto = request.getfixturevalue("moto")
            yield await stack.enter_async_context(over_sqs(database_urls, moto, queue))
        else:
            stack.enter_context(aws_environment())
            stub = stack.enter_context(running_stub(seed=crc32(request.node.name.encode())))
            yield await stack.enter_async_context(over_sqs(database_urls, stub, queue))


@pytest.fixture
def over(lab: Lab, transport: Transport) -> Lab:
    """The lab, enqueueing over the transport."""
    return replace(lab, database=transport.database)


def working(
    lab: Lab, transport: Transport, *handlers: JobHandler, **limits: float
) -> AbstractAsyncContextManager[Worker]:
    return lab.working(
        *handlers,
        limits=replace(transport.limits, **limits),
        wakeups=transport.wakeups([lab.queue]),
        duties=transport.duties,
    )


async def test_jobs_of_all_tenants_run_and_each_effect_is_kept_once(
    over: Lab, transport: Transport, other_tenant: TestTenant
) -> None:
    handler = over.handler(commit_effect)
    ids = []
    async with working(over, transport, handler), working(over, transport, handler):
        for number in range(60):
            async with over.database.write((over.tenant, other_tenant)[number % 2].admin) as tx:
                ids += [await enqueue(tx, handler.kind, {}, request_id="test") for _ in range(1 + number % 3)]
        await eventually(lambda: over.are_all("succeeded"))
    assert await over.table.effects(over.queue) == sorted((job_id, "done") for job_id in ids)


async def test_job_of_a_rolled_back_transaction_never_runs(over: Lab, transport: Transport) -> None:
    handler = over.handler(commit_effect)

    async def change_the_mind() -> None:
        async with over.database.write(over.tenant.admin) as tx:
            await enqueue(tx, handler.kind, {}, request_id="test")
            raise RuntimeError

    async with working(over, transport, handler):
        with pytest.raises(RuntimeError):
            await change_the_mind()
        kept = await over.enqueue(handler.kind)
        await eventually(lambda: over.are_all("succeeded"))
    assert await over.table.effects(over.queue) == [(kept, "done")]


async def test_delayed_job_starts_when_it_is_due_and_not_before(over: Lab, transport: Transport) -> None:
    handler = over.handler(commit_effect)
    async with working(over, transport, handler):
        ids = [await over.enqueue(handler.kind, delay_s=delay_s) for delay_s in (0.3, 1.2, 2.0)]
        later = await over.enqueue(handler.kind, delay_s=3600)
        for job_id in ids:
            await eventually(lambda job_id=job_id: over.is_in(job_id, "succeeded"))
        assert await over.state(later) == "queued"
    for job_id in ids:
        job = await over.table.job(job_id)
        assert job["run_at"] <= job["finished_at"]


async def test_retried_job_comes_again_after_its_wait(over: Lab, transport: Transport) -> None:
    async def fail_first(run: JobRun) -> None:
        if run.attempt == 1:
            raise Retry(1.0)
        await commit_effect(run)

    handler = over.handler(fail_first)
    job_id = await over.enqueue(handler.kind)
    async with working(over, transport, handler):
        await eventually(lambda: over.is_in(job_id, "succeeded"))
    job = await over.table.job(job_id)
    assert job["attempt"] == 2
    assert (job["finished_at"] - job["created_at"]).total_seconds() >= 1.0
    assert await over.table.effects(over.queue) == [(job_id, "done")]


async def test_job_that_always_fails_is_dead_after_its_attempts(over: Lab, transport: Transport) -> None:
    attempts: Counter[object] = Counter()

    async def fail(run: JobRun) -> None:
        attempts[run.job_id] += 1
        raise RuntimeError("broken")

    kind = over.kind(attempts_max=3)
    job_id = await over.enqueue(kind)
    async with working(over, transport, JobHandler(kind, fail, bury_with_effect)):
        await eventually(lambda: over.is_in(job_id, "dead"))
    assert attempts == {job_id: 3}
    assert await over.table.effects(over.queue) == [(job_id, "dead: crashed")]


async def test_cancelled_job_is_interrupted_and_one_that_waits_never_runs(over: Lab, transport: Transport) -> None:
    started = asyncio.Event()

    async def hold(_: JobRun) -> None:
        started.set()
        await asyncio.Event().wait()

    holding, noting = over.handler(hold, "hold"), over.handler(commit_effect)
    async with working(over, transport, holding, noting, concurrency=1, cancel_s=0.05):
        running = await over.enqueue(holding.kind)
        await asyncio.wait_for(started.wait(), DEADLINE_S)
        waiting = await over.enqueue(noting.kind)
        assert (await over.cancel(waiting)).cancelled == [waiting]
        assert (await over.cancel(running)).interrupted == [running]
        await eventually(lambda: over.is_in(running, "cancelled"))
        # What comes after them finds the slot free, and would find the job that waited done.
        after = await over.enqueue(noting.kind)
        await eventually(lambda: over.is_in(after, "succeeded"))
        if transport.depth is not None:
            await eventually(lambda: asyncio.to_thread(lambda: transport.depth(over.queue) == (0, 0)))
    assert await over.state(waiting) == "cancelled"
    assert await over.table.effects(over.queue) == [(after, "done")]


async def test_job_of_a_worker_that_died_is_rescued(over: Lab, transport: Transport) -> None:
    """The dead worker has claimed, and its message was deleted or lost with it."""
    handler = over.handler(commit_effect)
    job_id = await over.enqueue(handler.kind)
    async with over.database.keyhole() as tx:
        (lost,) = await store.claim(
            tx, queues=[over.queue], kinds=["note"], worker="dead", count_max=1, lease_s=0
        )  # fmt: skip
    async with working(over, transport, handler):
        await eventually(lambda: over.is_in(job_id, "succeeded"))
    assert (await over.table.job(job_id))["attempt"] == 2
    assert await over.table.effects(over.queue) == [(lost.job_id, "done")]


async def test_stopped_worker_hands_its_job_to_another_at_once(over: Lab, transport: Transport) -> None:
    """With leases of an hour nobody is rescued: the hand-back wakes the other worker, or the look does."""
    started = asyncio.Event()

    async def hold(_: JobRun) -> None:
        started.set()
        await asyncio.Event().wait()

    hour = {"lease_s": 3600.0, "drain_s": 0.1}
    job_id = await over.enqueue(over.kind())
    async with AsyncExitStack() as second:
        async with working(over, transport, over.handler(hold), **hour):
            await asyncio.wait_for(started.wait(), DEADLINE_S)
            await second.enter_async_context(working(over, transport, over.handler(commit_effect), **hour))
            assert await over.state(job_id) == "running"
        await eventually(lambda: over.is_in(job_id, "succeeded"))
    job = await over.table.job(job_id)
    assert (job["attempt"], job["fence"]) == (1, 2)


async def test_long_job_keeps_its_message_and_leaves_nothing_behind(over: Lab, transport: Transport) -> None:
    """It runs for longer than a message stays hidden; what is left of the messages afterwards is nothing."""

    async def take_long(run: JobRun) -> None:
        await asyncio.sleep(4.5)
        await commit_effect(run)

    handler = over.handler(take_long)
    job_id = await over.enqueue(handler.kind)
    async with working(over, transport, handler):
        await eventually(lambda: over.is_in(job_id, "succeeded"))
        job = await over.table.job(job_id)
        assert job["attempt"] == 1
        if transport.depth is not None:
            await eventually(lambda: asyncio.to_thread(lambda: transport.depth(over.queue) == (0, 0)))
    assert await over.table.effects(over.queue) == [(job_id, "done")]


async def test_idle_worker_neither_claims_nor_calls_in_a_loop(over: Lab, transport: Transport) -> None:
    handler = over.handler(commit_effect)
    counting = CountingWakeups(transport.wakeups([over.queue]))
    async with over.working(handler, limits=transport.limits, wakeups=counting, duties=transport.duties):
        await over.enqueue(handler.kind)
        await eventually(lambda: over.are_all("succeeded"))
        if transport.depth is not None:
            await eventually(lambda: asyncio.to_thread(lambda: transport.depth(over.queue) == (0, 0)))
        await asyncio.sleep(0.5)
        before, calls = counting.claims, _sqs_calls()
        await asyncio.sleep(IDLE_S)
        claims, calls = counting.claims - before, _sqs_calls() - calls
    # PostgreSQL is asked at every poll; SQS tells, and one receive waits for seconds.
    assert claims <= (IDLE_S / transport.limits.poll_s) + 2
    assert calls <= 4


def _sqs_calls() -> float:
    (family,) = (one for one in REGISTRY.collect() if one.name == "mainstay_sqs_calls")
    # Looks count the messages of every queue in the database where jobs are due, those of other tests among them.
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["call"] != "get_queue_attributes"
    )


async def test_handler_that_writes_twice_over_a_doubled_wakeup_is_run_once(over: Lab, transport: Transport) -> None:
    """Messages for nothing, before and after the job: none of them makes it run again."""
    handler = over.handler(_two_steps)
    async with working(over, transport, handler):
        for _ in range(20):
            async with over.database.keyhole() as tx:
                await store.notify(tx, over.queue)
        job_id = await over.enqueue(handler.kind)
        for _ in range(20):
            async with over.database.keyhole() as tx:
                await store.notify(tx, over.queue)
        await eventually(lambda: over.is_in(job_id, "succeeded"))
    assert sorted(await over.table.effects(over.queue)) == [(job_id, "done"), (job_id, "step")]


async def _two_steps(run: JobRun) -> None:
    async with run.checkpoint(unaudited="a test") as tx:
        await write_effect(tx, run.job_id, run.attempt, "step")
    await commit_effect(run)
