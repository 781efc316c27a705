"""Many jobs under many kills: of workers, and of PostgreSQL itself. Every effect is kept exactly once."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import enqueue
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import APP_ROLE, EmbeddedCluster
from mainstay.platform.postgres.migrations import migrate
from mainstay.schema import migrations
from tests.platform.jobs.conftest import Lab
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.folders import passable_folder
from tests.support.jobs import EFFECTS_TABLE, QUERIES, JobTable, WorkerChild, eventually
from tests.support.tenants import make_tenant

DRILL_S = 240.0
CLUSTER_S = 60.0


async def enqueue_many(lab: Lab, jobs: int) -> list[UUID]:
    async with lab.database.write(lab.tenant.admin) as tx:
        return [
            await enqueue(tx, lab.kind("work", attempts_max=25), {}, request_id="drill", unique_key=f"job {number}")
            for number in range(jobs)
        ]


async def check_ledger(lab: Lab, ids: list[UUID]) -> int:
    """Check that each job succeeded with one effect, and return how many attempts that took."""
    assert await lab.table.states(lab.queue) == {"succeeded": len(ids)}
    effects = await lab.table.effects(lab.queue)
    assert [job_id for job_id, note in effects if note == "done"] == sorted(ids)
    return sum(note == "working" for _, note in effects)


async def have_succeeded(lab: Lab, jobs: int) -> bool:
    """Tell whether so many jobs have succeeded; while the database is down nobody can say so."""
    try:
        async with lab.database.read(lab.tenant.admin) as tx:
            return await tx.fetch_value(QUERIES["count_succeeded"], queue=lab.queue) >= jobs
    except Unavailable:
        return False


@pytest.mark.deep
@pytest.mark.timeout(300)
async def test_500_jobs_under_20_kills_of_workers(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    ids = await enqueue_many(lab, 500)
    workers: list[WorkerChild] = [await lab.child() for _ in range(3)]
    for kill in range(1, 21):
        await eventually(lambda done=kill * 20: have_succeeded(lab, done), deadline_s=DRILL_S)
        victim = kill % len(workers)
        await workers[victim].kill()
        workers[victim] = await lab.child()
    await eventually(lambda: have_succeeded(lab, len(ids)), deadline_s=DRILL_S)
    attempts = await check_ledger(lab, ids)
    with capsys.disabled():
        print(f"\n500 jobs, 20 workers killed, {attempts} attempts begun, 0 lost, 0 done twice")


@asynccontextmanager
async def cluster_lab(cluster: EmbeddedCluster, queue: str) -> AsyncIterator[Lab]:
    """A lab on a cluster that is about to be killed; the pools come back by themselves."""
    await migrate(cluster.owner_url, migrations(), runtime_login=APP_ROLE)
    urls = DatabaseUrls(cluster.superuser_url, cluster.owner_url, cluster.app_url)
    async with AsyncExitStack() as stack:
        pool = await asyncpg.create_pool(urls.superuser, min_size=1, max_size=4)
        stack.push_async_callback(pool.close)
        await pool.execute(EFFECTS_TABLE)
        owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
        stack.push_async_callback(owner.close)
        database = await Database.connect(urls.app, scope_key=SCOPE_KEY)
        stack.push_async_callback(database.close)
        yield Lab(database, await make_tenant(owner), JobTable(pool), queue, urls.app, stack)


@pytest.mark.deep
@pytest.mark.timeout(300)
async def test_300_jobs_under_3_kills_of_postgresql(queue: str, capsys: pytest.CaptureFixture[str]) -> None:
    with passable_folder() as folder:
        cluster = EmbeddedCluster(folder / "postgres")
        cluster.start(CLUSTER_S)
        try:
            async with cluster_lab(cluster, queue) as lab:
                ids = await enqueue_many(lab, 300)
                workers = [await lab.child() for _ in range(2)]
                for kill in range(1, 4):
                    await eventually(lambda done=kill * 60: have_succeeded(lab, done), deadline_s=DRILL_S)
                    assert cluster.server is not None
                    os.kill(cluster.server.pid, signal.SIGKILL)
                    await eventually(lambda: _is_down(cluster), deadline_s=CLUSTER_S)
                    cluster.start(CLUSTER_S)
                    assert lab.url == cluster.app_url
                await eventually(lambda: have_succeeded(lab, len(ids)), deadline_s=DRILL_S)
                # What the kills broke of the pool through which a superuser looks is put aside.
                await lab.table.connection.expire_connections()
                attempts = await check_ledger(lab, ids)
                assert all(worker.process.returncode is None for worker in workers), "a worker outlives its database"
        finally:
            cluster.stop(10)
    with capsys.disabled():
        print(f"\n300 jobs, PostgreSQL killed 3 times, {attempts} attempts begun, 0 lost, 0 done twice")


async def _is_down(cluster: EmbeddedCluster) -> bool:
    return not cluster.is_running()
