"""`python -m tests.platform.jobs.drills.worker ORDERS [HANDLE]`: a worker, or one of its processes for single jobs."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from mainstay.edge.worker import process
from mainstay.platform import jobs
from mainstay.platform.jobs import JobHandler, JobProcesses, JobRegistry, JobRun, Worker
from mainstay.platform.jobs.isolation import child
from mainstay.platform.postgres import Database, PoolLimits
from mainstay.platform.telemetry import configure_logging
from tests.platform.jobs.drills.ledger import write_effect, write_start
from tests.platform.jobs.drills.orders import Orders, drilled_kind
from tests.support.database import SCOPE_KEY


def say(line: str) -> None:
    # One write, so that the nemesis never reads half a line of a process that it has killed.
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


class Points:
    """Where jobs stop, as the nemesis wants it."""

    def __init__(self) -> None:
        self._armed = ""
        self._for_all = False
        self._go = asyncio.Event()

    async def listen(self) -> None:
        """Obey the lines on standard input until it ends."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while words := (await reader.readline()).decode().split():
            if words[0] == "go":
                self._armed = ""
                self._go.set()
            else:
                self._go.clear()
                self._armed, self._for_all = words[1], words[0] == "arm-all"
        # The nemesis has gone, and nobody else would end us.
        os._exit(1)

    async def reach(self, point: str, run: JobRun) -> bool:
        """Stop here if this point is armed; return whether the job was told to go on."""
        if self._armed != point:
            return False
        if not self._for_all:
            self._armed = ""
        say(f"at {point} {run.job_id} {run._lease.fence}")
        if point == "committing":
            return False
        await self._go.wait()
        return True


async def to_its_end(work: Coroutine[Any, Any, bool]) -> bool:
    """Await `work` whatever tells us to leave it, so that only its fence can stop it."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


def drilled(orders: Orders, points: Points) -> JobHandler:
    """Return the handler of the drilled jobs."""

    async def work(run: JobRun) -> bool:
        if run.attempt > 1 or orders.tell_starts:
            await write_start(run, orders.queue)
        await asyncio.sleep(random.uniform(0, orders.work_s))  # noqa: S311
        stopped = await points.reach("before", run)
        async with run.commit(unaudited="a drill") as tx:
            await write_effect(tx, run, orders.queue)
            stopped |= await points.reach("inside", run)
            await points.reach("committing", run)
        return await points.reach("after", run) or stopped

    async def tell(run: JobRun) -> None:
        try:
            stopped = await (to_its_end(work(run)) if orders.stubborn else work(run))
        except BaseException as error:
            say(f"refused {type(error).__name__} {run.job_id} {run._lease.fence}")
            raise
        if stopped:
            say(f"committed {run.job_id} {run._lease.fence}")

    return JobHandler(drilled_kind(orders.queue), tell)


def registry_of(orders: Orders, points: Points) -> JobRegistry:
    handlers = [drilled(orders, points)]
    if not orders.cap_per_tenant:
        return JobRegistry(handlers)
    # Where queues have rules; the drill that gives a cap looks for that first.
    rules = jobs.Queue(orders.queue, concurrency_per_tenant_max=orders.cap_per_tenant)
    return JobRegistry(handlers, queues=[rules])


@asynccontextmanager
async def worker_of(orders: Orders) -> AsyncIterator[tuple[Worker, Points]]:
    points = Points()
    async with AsyncExitStack() as stack:
        pool = PoolLimits(connections_max=orders.concurrency + 2, connect_timeout_s=5.0)
        database = await Database.connect(orders.url, pool, application="drill", scope_key=SCOPE_KEY)
        stack.push_async_callback(database.close)
        processes = None
        if orders.processes:
            command = (sys.executable, "-m", "tests.platform.jobs.drills.worker", orders.dump())
            processes = await stack.enter_async_context(JobProcesses(command))
        registry = registry_of(orders, points)
        worker = Worker(database, registry, orders.limits, processes=processes)
        worker.name = orders.name or worker.name
        yield worker, points


@asynccontextmanager
async def worker_system(on_beat: Callable[[], None]) -> AsyncIterator[Worker]:
    async with worker_of(Orders.load(sys.argv[1])) as (worker, points):
        listening = asyncio.create_task(points.listen())
        say(f"ready {worker.name}")
        if Orders.load(sys.argv[1]).tell_clock:
            say(f"clock {time.time()}")
        try:
            yield worker
        finally:
            listening.cancel()


@asynccontextmanager
async def job_system() -> AsyncIterator[child.JobSystem]:
    orders = Orders.load(sys.argv[1])
    # Nobody talks to it, so no point of it is armed.
    registry = registry_of(orders, Points())
    database = await Database.connect(orders.url, PoolLimits(connections_max=2), scope_key=SCOPE_KEY)
    try:
        yield child.JobSystem(database, registry, orders.limits)
    finally:
        await database.close()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    configure_logging("drill", level="ERROR")
    if len(sys.argv) == 3:
        sys.exit(child.main(job_system, int(sys.argv[2])))
    sys.exit(process.main(worker_system))
