"""The ledger of the drills: a table without any key, in which each job writes one row with its effect."""

from collections.abc import Sequence

import asyncpg

from mainstay.platform.jobs import JobRun
from mainstay.platform.postgres import WriteTx
from mainstay.platform.postgres.queries import parse_queries
from tests.platform.jobs.drills.history import Effect, History, JobRow, Kill, Orphan, Start

TABLES = """
CREATE TABLE IF NOT EXISTS public.drill_ledger (tenant_id uuid, job_id uuid, fence bigint, queue text);
CREATE TABLE IF NOT EXISTS public.drill_starts (tenant_id uuid, job_id uuid, fence bigint, queue text,
                                                at timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT SELECT, INSERT ON public.drill_ledger, public.drill_starts TO PUBLIC;
"""

_QUERIES = parse_queries(
    """
-- name: add_effect
-- The effect of a drilled job.
INSERT INTO public.drill_ledger (tenant_id, job_id, fence, queue) VALUES (:tenant_id, :job_id, :fence, :queue)
-- name: add_start
-- That a job runs again.
INSERT INTO public.drill_starts (tenant_id, job_id, fence, queue) VALUES (:tenant_id, :job_id, :fence, :queue)
""",
    origin="tests",
)


async def write_effect(tx: WriteTx, run: JobRun, queue: str) -> None:
    await tx.execute(_QUERIES["add_effect"], job_id=run.job_id, fence=run._lease.fence, queue=queue)


async def write_start(run: JobRun, queue: str) -> None:
    async with run.checkpoint(unaudited="a drill") as tx:
        await tx.execute(_QUERIES["add_start"], job_id=run.job_id, fence=run._lease.fence, queue=queue)


async def orphans_of(connection: asyncpg.Connection, queue: str, worker: str) -> tuple[float, Sequence[Orphan]]:
    """Return the jobs that run in the name of a worker, and the moment at which that was so."""
    at_s = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    rows = await connection.fetch(
        "SELECT id, fence FROM mainstay.jobs WHERE queue = $1 AND worker = $2 AND state = 'running'", queue, worker
    )
    return at_s, [Orphan(str(row["id"]), row["fence"]) for row in rows]


async def collect(
    connection: asyncpg.Connection,
    queue: str,
    *,
    drill: str,
    lease_s: float,
    acknowledged: Sequence[str],
    kills: Sequence[Kill] = (),
    in_doubt: Sequence[str] = (),
    poison: Sequence[str] = (),
    restart_slack_s: float = 5.0,
) -> History:
    """Return the history of what ran in `queue`."""
    rows = await connection.fetch("SELECT id, state, attempt, fence FROM mainstay.jobs WHERE queue = $1", queue)
    effects = await connection.fetch("SELECT job_id, fence FROM public.drill_ledger WHERE queue = $1", queue)
    starts = await connection.fetch(
        "SELECT job_id, fence, extract(epoch FROM at)::float8 AS at_s FROM public.drill_starts WHERE queue = $1", queue
    )
    return History(
        drill=drill,
        lease_s=lease_s,
        acknowledged=acknowledged,
        in_doubt=in_doubt,
        poison=poison,
        restart_slack_s=restart_slack_s,
        kills=kills,
        jobs=[JobRow(str(row["id"]), row["state"], row["attempt"], row["fence"]) for row in rows],
        ledger=[Effect(str(row["job_id"]), row["fence"]) for row in effects],
        starts=[Start(str(row["job_id"]), row["fence"], row["at_s"]) for row in starts],
    )
