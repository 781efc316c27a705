"""Our worker as a measured system; see bench/actions.py. Also what fills its queue and sees whether it is empty."""

import asyncio
import logging
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import structlog
import uvloop

from bench.actions import serve
from mainstay.platform.jobs import JobHandler, JobRegistry, JobRun, PostgresWakeups, Worker, WorkerLimits, enqueue
from mainstay.platform.postgres import Database, PoolLimits, Scope
from tests.support.database import SCOPE_KEY
from tests.support.jobs import commit_effect, kind

_FILL = """
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, run_at, attempts_max)
SELECT $1, uuidv7(), $2, 'bench', 'bench', $3, '{}', now(), 5 FROM generate_series(1, $4::int)
"""
_FINISHED = """
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, state, run_at, attempt,
                           attempts_max, finished_at)
SELECT $1, uuidv7(), $2, 'bench', 'bench', 'noop', '{}', 'succeeded', now(), 1, 5, now()
  FROM generate_series(1, $3::int)
"""
_LEFT = """
SELECT EXISTS (SELECT FROM mainstay.jobs WHERE state = 'queued')
    OR EXISTS (SELECT FROM mainstay.jobs WHERE state = 'running')
"""


async def noop(_: JobRun) -> None:
    """Do nothing; the worker marks the job as succeeded."""


class Ours:
    """One process with one worker."""

    async def open(self, urls: Sequence[str], tenant_id: str, principal_id: str, slots: int) -> None:
        """Connect; `urls` are the superuser's and the runtime role's."""
        self.superuser = await asyncpg.connect(urls[0])
        self.url = urls[1]
        self.database = await Database.connect(urls[1], PoolLimits(connections_max=20), scope_key=SCOPE_KEY)
        self.scope = Scope(UUID(tenant_id), UUID(principal_id), sees_all=True)
        self.slots = slots

    async def fill(self, name: str, jobs: int) -> None:
        """Queue jobs, all at once."""
        await self.superuser.execute(_FILL, self.scope.tenant_id, self.scope.principal_id, name, jobs)
        await self.superuser.execute("VACUUM (ANALYZE) mainstay.jobs")

    async def add_finished(self, jobs: int) -> None:
        """Add jobs that are done."""
        await self.superuser.execute(_FINISHED, self.scope.tenant_id, self.scope.principal_id, jobs)
        await self.superuser.execute("VACUUM (ANALYZE) mainstay.jobs")

    async def has_more(self) -> bool:
        """Return whether a job waits or runs."""
        return await self.superuser.fetchval(_LEFT)

    async def done(self) -> int:
        """Return how many jobs have succeeded."""
        return await self.superuser.fetchval("SELECT count(*) FROM mainstay.jobs WHERE state = 'succeeded'")

    async def enqueue(self, jobs: int) -> float:
        """Queue jobs in a transaction each, several at a time; return the seconds that it took."""
        job_kind = kind("noop", "bench")

        async def some(count: int) -> None:
            for _ in range(count):
                async with self.database.write(self.scope) as tx:
                    await enqueue(tx, job_kind, {}, request_id="bench")

        began = time.perf_counter()
        await asyncio.gather(*(some(jobs // 8) for _ in range(8)))
        return time.perf_counter() - began

    async def start(self) -> None:
        """Begin to work."""
        self._begin(JobHandler(kind("noop", "bench"), noop), JobHandler(kind("row", "bench"), commit_effect))

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        self.stopping.set()
        await self.working

    async def pickups(self, jobs: int) -> Sequence[float]:
        """Return seconds from the commit of an enqueue to the start of its handler, one job after the other."""
        started = asyncio.Event()

        async def note(_: JobRun) -> None:
            started.set()

        handler = JobHandler(kind("pickup", "pickup"), note)
        self._begin(handler)
        found: list[float] = []
        for _ in range(jobs + 1):
            started.clear()
            async with self.database.write(self.scope) as tx:
                await enqueue(tx, handler.kind, {}, request_id="bench")
            committed = time.perf_counter()
            await started.wait()
            found.append(time.perf_counter() - committed)
        await self.stop()
        return found[1:]

    def _begin(self, *handlers: JobHandler) -> None:
        self.stopping = asyncio.Event()
        worker = Worker(
            self.database,
            JobRegistry(handlers),
            WorkerLimits(concurrency=self.slots),
            wakeups=PostgresWakeups(self.url),
        )
        self.working = asyncio.create_task(worker.run(self.stopping))


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # As the process of a worker does.
    uvloop.run(serve(Ours()))
