"""A transaction that somebody holds open, as a dump or a forgotten console does, does not slow the claims (F.J3)."""

from dataclasses import replace

import asyncpg
import pytest

from mainstay.platform.jobs import JobRun
from tests.platform.jobs.conftest import Lab
from tests.support.database import DatabaseUrls
from tests.support.figures import Figures
from tests.support.jobs import QUICK, eventually

JOBS = 60_000
# A claim that looks from the beginning of a line reads the entries of all jobs before it; at every claim that would be
# half of the jobs for each hundred of them, 300 entries a job.
READ_PER_JOB_MAX = 60
_FILL = """
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, run_at, attempts_max)
SELECT $1, uuidv7(), $2, 'test', $3, 'note', '{}', now(), 5 FROM generate_series(1, $4::int)
"""
_READ = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_due'"


async def _nothing(_: JobRun) -> None:
    pass


async def _entries_read(connection: asyncpg.Connection) -> int:
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return await connection.fetchval(_READ)


@pytest.mark.deep
@pytest.mark.timeout(180)
async def test_claims_read_on_where_they_stopped(lab: Lab, database_urls: DatabaseUrls, record_figure: Figures) -> None:
    superuser = await asyncpg.connect(database_urls.superuser)
    holder = await asyncpg.connect(database_urls.superuser)
    try:
        tenant = lab.tenant
        await superuser.execute(_FILL, tenant.tenant_id, tenant.admin_id, lab.queue, JOBS)
        await superuser.execute("VACUUM (ANALYZE) mainstay.jobs")
        async with holder.transaction(isolation="repeatable_read"):
            assert await holder.fetchval("SELECT count(*) FROM mainstay.jobs WHERE queue = $1", lab.queue) == JOBS
            before = await _entries_read(superuser)
            async with lab.working(lab.handler(_nothing), limits=replace(QUICK, concurrency=100, lease_s=30.0)):
                await eventually(lambda: lab.are_all("succeeded"), deadline_s=120)
            read = (await _entries_read(superuser) - before) / JOBS
    finally:
        await holder.close()
        await superuser.close()
    told = f"entries of the index of what waits, {JOBS:,} jobs"
    record_figure.record("F.J3 read for each job beside an open transaction", read, unit=told)
    assert read < READ_PER_JOB_MAX
