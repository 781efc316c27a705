"""What every test of jobs needs: a queue of its own, the table of effects, and a worker inside the test's process."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from mainstay.platform.jobs import (
    JobHandler,
    JobKind,
    JobRegistry,
    JobRun,
    Queue,
    Worker,
    WorkerLimits,
    interventions,
    look_after,
)
from mainstay.platform.jobs.interventions import Cancellation
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.jobs import EFFECTS_TABLE, QUICK, SHORT, JobTable, WorkerChild, enqueue_one, kind
from tests.support.tenants import TestTenant


@pytest.fixture(scope="session")
async def database_urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    """A database apart from that of the other tests, for the table of effects is no part of the product's schema."""
    async with scratch_database(superuser_url) as urls:
        yield urls


@pytest.fixture(scope="session")
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(database_urls.app, application="tests-jobs", scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def owner_database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(
        database_urls.owner, application="tests-jobs-owner", scope_key=SCOPE_KEY, as_owner=True
    )
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def jobs_table(database_urls: DatabaseUrls) -> AsyncIterator[JobTable]:
    async with asyncpg.create_pool(database_urls.superuser, min_size=1, max_size=4) as pool:
        await pool.execute(EFFECTS_TABLE)
        yield JobTable(pool)


@pytest.fixture
def queue() -> str:
    return f"q{secrets.token_hex(6)}"


@dataclass
class Lab:
    """One queue of one tenant, and ways to fill and to work it."""

    database: Database
    tenant: TestTenant
    table: JobTable
    queue: str
    url: str
    stack: AsyncExitStack

    def kind(self, name: str = "note", **given: object) -> JobKind:
        return kind(name, self.queue, **given)

    async def enqueue(self, job_kind: JobKind, payload: object = None, **given: object) -> UUID:
        return await enqueue_one(self.database, self.tenant.admin, job_kind, payload, **given)

    async def cancel(self, job_id: UUID) -> Cancellation:
        async with self.database.write(self.tenant.admin, unaudited="a test") as tx:
            done = await interventions.cancel(tx, job_id)
        await look_after(self.database, self.tenant.tenant_id, done.parent_ids)
        return done

    def handler(self, run: Callable[[JobRun], Awaitable[None]], name: str = "note", **given: object) -> JobHandler:
        return JobHandler(self.kind(name, **given), run)

    @asynccontextmanager
    async def working(
        self,
        *handlers: JobHandler,
        limits: WorkerLimits = QUICK,
        database: Database | None = None,
        queues: Iterable[Queue] = (),
        **given: object,
    ) -> AsyncIterator[Worker]:
        """Run a worker in this process while the block lasts, then stop it as SIGTERM would."""
        worker = Worker(database or self.database, JobRegistry(handlers, queues), limits, **given)
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await task

    async def child(self, limits: WorkerLimits = SHORT, **given: float) -> WorkerChild:
        """Start a worker in a process of its own; what is left of it is killed after the test."""
        started = await WorkerChild.start(self.url, self.queue, limits, **given)
        self.stack.push_async_callback(started.kill)
        return started

    async def state(self, job_id: UUID) -> str:
        return (await self.table.job(job_id))["state"]

    async def is_in(self, job_id: UUID, state: str) -> bool:
        return await self.state(job_id) == state

    async def are_all(self, state: str) -> bool:
        return await self.table.are_all(self.queue, state)


@pytest.fixture
async def lab(
    database: Database, database_urls: DatabaseUrls, tenant: TestTenant, jobs_table: JobTable, queue: str
) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as stack:
        yield Lab(database, tenant, jobs_table, queue, database_urls.app, stack)
