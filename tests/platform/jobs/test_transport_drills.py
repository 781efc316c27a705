"""S.Q9 under kills: jobs over each transport, while workers are killed and SQS does its worst."""

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
from tests.support.jobs import SHORT, eventually
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

DRILL_S = 400.0
# Deaf but for messages and looks.
DEAF = replace(SHORT, lease_s=2.0, poll_s=3600.0)


@dataclass(frozen=True)
class Scale:
    """How large a drill is."""

    jobs: int
    kills: int
    workers: int


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
async def enqueueing(lab: Lab, other: TestTenant, jobs: int, ids: list[UUID]) -> AsyncIterator[None]:
    """Add so many jobs of two tenants while the block runs, some of them with a delay."""

    async def add() -> None:
        number = 0
        while number < jobs:
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


async def have_succeeded(lab: Lab, jobs: int) -> bool:
    return (await lab.table.states(lab.queue)).get("succeeded", 0) >= jobs


async def held(lab: Lab, worker: TransportChild) -> int:
    """Count the jobs that run in the name of a worker, dead or alive."""
    return await lab.table.connection.fetchval(
        "SELECT count(*) FROM mainstay.jobs WHERE queue = $1 AND state = 'running' AND worker LIKE $2",
        lab.queue,
        f"%:{worker.process.pid}:%",
    )


async def kill_busy(lab: Lab, workers: list[TransportChild]) -> int:
    """Kill the oldest worker that is at work, as soon as there is one, and return how many jobs it leaves behind."""

    async def find() -> TransportChild | None:
        for worker in workers:
            if await held(lab, worker):
                return worker
        return None

    victim = await eventually(find)
    await victim.kill()
    workers.remove(victim)
    return await held(lab, victim)


@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(Scale(jobs=60, kills=1, workers=2), id="short"),
        pytest.param(Scale(2_000, 20, 3), marks=[pytest.mark.deep, pytest.mark.timeout(600)], id="2000-jobs-20-kills"),
    ],
)
async def test_jobs_are_done_once_under_kills_over_each_transport(
    lab: Lab, drilled: Drilled, scale: Scale, other_tenant: TestTenant, record_figure: Figures
) -> None:
    over = replace(lab, database=drilled.transport.database)

    async def begin() -> TransportChild:
        child = await TransportChild.begin(**drilled.child(over))
        over.stack.push_async_callback(child.kill)
        return child

    ids: list[UUID] = []
    orphans = 0
    workers = [await begin() for _ in range(scale.workers)]
    async with enqueueing(over, other_tenant, scale.jobs, ids):
        for kill in range(1, scale.kills + 1):
            after = kill * scale.jobs // (scale.kills + 5)
            await eventually(lambda after=after: have_succeeded(over, after), deadline_s=DRILL_S)
            orphans += await kill_busy(over, workers)
            workers.append(await begin())
    await eventually(lambda: have_succeeded(over, scale.jobs), deadline_s=DRILL_S)
    assert await over.table.states(over.queue) == {"succeeded": scale.jobs}
    effects = await over.table.effects(over.queue)
    assert [job_id for job_id, note in effects if note == "done"] == sorted(ids)
    assert orphans >= scale.kills // 2, "hardly any kill left a job behind: nothing was tried"
    attempts = sum(note == "working" for _, note in effects)
    name = f"jobs done once over {drilled.transport.name} under {scale.kills} kills"
    if drilled.stub is not None and scale.jobs >= 1_000:
        done = drilled.stub.done
        lost = done["lost_sends"] + done["lost_deletes"] + done["lost_visibility"]
        assert min(done["doubled"], done["late"], lost) > 0, done
    unit = f"{attempts} attempts begun, {orphans} jobs left behind{_faults(drilled.stub)}"
    record_figure.record(name, scale.jobs, unit=unit, tried=len(ids))


def _faults(stub: StubSqs | None) -> str:
    if stub is None:
        return ""
    done = ", ".join(f"{count} {name}" for name, count in sorted(stub.done.items()))
    return f"; of {sum(stub.calls.values())} calls of SQS went wrong: {done}"
