"""S.Q9, the heavy form: thousands of jobs over each transport, while workers are killed and SQS does its worst."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from uuid import UUID

import pytest

from mainstay.platform.jobs import enqueue
from tests.platform.jobs.conftest import Lab
from tests.support.database import DatabaseUrls
from tests.support.figures import Figures
from tests.support.jobs import QUERIES, SHORT, eventually
from tests.support.sqs_stub import ACCOUNT, Faults, StubSqs, running_stub
from tests.support.tenants import TestTenant
from tests.support.transport_worker import TransportChild
from tests.support.transports import (
    SQS_QUICK,
    MotoQueues,
    Transport,
    aws_environment,
    over_postgres,
    over_sqs,
    running_moto,
)

JOBS = 2_000
KILLS = 20
WORKERS = 3
DRILL_S = 400.0
# Deaf but for messages and looks.
DEAF = replace(SHORT, lease_s=2.0, poll_s=3600.0)


@dataclass
class Drilled:
    """A transport, and how a worker in a process of its own reaches it."""

    transport: Transport
    child: Callable[[Lab], dict[str, object]]
    stub: StubSqs | None = None


@pytest.fixture(params=["postgres", "moto", "stub"])
async def drilled(request: pytest.FixtureRequest, database_urls: DatabaseUrls, queue: str) -> AsyncIterator[Drilled]:
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            transport = await stack.enter_async_context(over_postgres(database_urls))
            yield Drilled(transport, lambda lab: {"url": lab.url, "queue": lab.queue, "limits": asdict(SHORT)})
            return
        stack.enter_context(aws_environment())
        queues: MotoQueues | StubSqs = (
            MotoQueues(stack.enter_context(running_moto()))
            if request.param == "moto"
            else stack.enter_context(running_stub(Faults(), seed=20_260))
        )
        given = {
            "limits": asdict(DEAF),
            "sqs_prefix": f"{queues.address}/{ACCOUNT}/test-",
            "sqs_limits": asdict(SQS_QUICK),
        }
        transport = await stack.enter_async_context(over_sqs(database_urls, queues, queue))
        stub = queues if isinstance(queues, StubSqs) else None
        yield Drilled(transport, lambda lab: {"url": lab.url, "queue": lab.queue, **given}, stub)


@asynccontextmanager
async def enqueueing(lab: Lab, other: TestTenant, ids: list[UUID]) -> AsyncIterator[None]:
    """Add JOBS jobs of two tenants while the block runs, some of them with a delay."""

    async def add() -> None:
        number = 0
        while number < JOBS:
            async with lab.database.write((lab.tenant, other)[number // 20 % 2].admin) as tx:
                for _ in range(20):
                    delay_s = 1.0 if number % 10 == 0 else 0.0
                    kind = lab.kind("work", attempts_max=25)
                    ids.append(await enqueue(tx, kind, {}, request_id="drill", delay_s=delay_s))
                    number += 1

    adding = asyncio.create_task(add())
    try:
        yield
    finally:
        await adding


async def have_ended(lab: Lab, other: TestTenant, jobs: int) -> bool:
    done = 0
    for tenant in (lab.tenant, other):
        async with lab.database.read(tenant.admin) as tx:
            done += await tx.fetch_value(QUERIES["count_succeeded"], queue=lab.queue)
    return done >= jobs


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_2000_jobs_under_20_kills_over_each_transport(
    lab: Lab, drilled: Drilled, other_tenant: TestTenant, record_figure: Figures
) -> None:
    over = replace(lab, database=drilled.transport.database)

    async def begin() -> TransportChild:
        child = await TransportChild.begin(**drilled.child(over))
        over.stack.push_async_callback(child.kill)
        return child

    ids: list[UUID] = []
    workers = [await begin() for _ in range(WORKERS)]
    async with enqueueing(over, other_tenant, ids):
        for kill in range(1, KILLS + 1):
            after = kill * JOBS // (KILLS + 5)
            await eventually(lambda after=after: have_ended(over, other_tenant, after), deadline_s=DRILL_S)
            victim = kill % WORKERS
            await workers[victim].kill()
            workers[victim] = await begin()
    await eventually(lambda: have_ended(over, other_tenant, JOBS), deadline_s=DRILL_S)
    assert await over.table.states(over.queue) == {"succeeded": JOBS}
    effects = await over.table.effects(over.queue)
    assert [job_id for job_id, note in effects if note == "done"] == sorted(ids)
    attempts = sum(note == "working" for _, note in effects)
    name = f"jobs done once over {drilled.transport.name} under {KILLS} kills"
    record_figure.record(name, JOBS, unit=f"{attempts} attempts begun{_faults(drilled.stub)}", tried=len(ids))


def _faults(stub: StubSqs | None) -> str:
    if stub is None:
        return ""
    assert min(stub.done[name] for name in ("doubled", "late", "lost_sends", "lost_deletes")) > 0, stub.done
    done = ", ".join(f"{count} {name}" for name, count in sorted(stub.done.items()))
    return f"; of {sum(stub.calls.values())} calls of SQS went wrong: {done}"
