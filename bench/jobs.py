"""`python -m bench.jobs`: jobs a second, beside a hand-written loop with the same transactions.

On a PostgreSQL of its own with the product's settings, fsync and all. Rounds of ours and the loop take turns, so that
a noisy machine disturbs both alike.
"""

import argparse
import asyncio
import logging
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from bench.postgres import production_cluster, temporary_folder
from mainstay.kernel.ids import new_id
from mainstay.platform.jobs import JobHandler, JobRegistry, JobRun, PostgresWakeups, Worker, WorkerLimits, enqueue
from mainstay.platform.postgres import Database, PoolLimits, Scope
from tests.support.database import SCOPE_KEY, DatabaseUrls, set_scope
from tests.support.jobs import EFFECTS_TABLE, commit_effect, eventually, kind
from tests.support.tenants import make_tenant

CONCURRENCY = 16
LIMITS = WorkerLimits(concurrency=CONCURRENCY)
POOL = PoolLimits(connections_max=CONCURRENCY + 4)

LOOP_TABLE = """
CREATE TABLE public.loop_jobs (id uuid PRIMARY KEY, payload jsonb NOT NULL, state text NOT NULL DEFAULT 'queued',
                               run_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX loop_jobs_queued ON public.loop_jobs (run_at, id) WHERE state = 'queued';
GRANT ALL ON public.loop_jobs TO PUBLIC;
"""
LOOP_CLAIM = """
UPDATE public.loop_jobs SET state = 'running'
 WHERE id IN (SELECT id FROM public.loop_jobs WHERE state = 'queued' AND run_at <= now()
               ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
FINISHED_ROWS = """
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, state, run_at, attempt,
                           attempts_max, finished_at)
SELECT $1, gen_random_uuid(), $2, 'bench', 'bench', 'noop', '{}', 'succeeded', now(), 1, 5, now()
  FROM generate_series(1, $3::int)
"""


@dataclass(frozen=True)
class Bench:
    """One database, and the tenant all jobs belong to."""

    urls: DatabaseUrls
    database: Database
    superuser: asyncpg.Connection
    scope: Scope


async def noop(_: JobRun) -> None:
    """Do nothing; the worker marks the job as succeeded."""


NOOP = JobHandler(kind("noop", "bench"), noop)
ROW = JobHandler(kind("row", "bench"), commit_effect)


async def enqueue_each(bench: Bench, handler: JobHandler, jobs: int) -> None:
    """Enqueue jobs in a transaction each, several at a time."""

    async def some(count: int) -> None:
        for _ in range(count):
            async with bench.database.write(bench.scope) as tx:
                await enqueue(tx, handler.kind, {}, request_id="bench")

    await asyncio.gather(*(some(jobs // 8) for _ in range(8)))


async def enqueue_together(bench: Bench, handler: JobHandler, jobs: int) -> None:
    """Enqueue jobs in one transaction."""
    async with bench.database.write(bench.scope) as tx:
        for _ in range(jobs):
            await enqueue(tx, handler.kind, {}, request_id="bench")


async def work_until_empty(bench: Bench) -> None:
    """Run a worker until nothing waits or runs."""
    stop = asyncio.Event()
    working = asyncio.create_task(Worker(bench.database, JobRegistry([NOOP, ROW]), LIMITS).run(stop))

    async def is_empty() -> bool:
        return not await bench.superuser.fetchval(
            "SELECT EXISTS (SELECT FROM mainstay.jobs WHERE state = 'queued')"
            " OR EXISTS (SELECT FROM mainstay.jobs WHERE state = 'running')"
        )

    await eventually(is_empty, deadline_s=600)
    stop.set()
    await working


async def loop_until_empty(bench: Bench, jobs: int) -> None:
    """The hand-written loop: claim a batch, then one transaction a job that keeps its effect and its end."""
    async with asyncpg.create_pool(bench.urls.app, min_size=CONCURRENCY, max_size=CONCURRENCY) as pool:
        left = jobs

        async def one(job_id: UUID) -> None:
            async with pool.acquire() as connection, connection.transaction():
                await set_scope(connection, bench.scope)
                await connection.execute(
                    "INSERT INTO public.effects (tenant_id, job_id, attempt, note) VALUES ($1, $2, 1, 'done')",
                    bench.scope.tenant_id, job_id,
                )  # fmt: skip
                await connection.execute("UPDATE public.loop_jobs SET state = 'done' WHERE id = $1", job_id)

        while left:
            claimed = await pool.fetch(LOOP_CLAIM, CONCURRENCY)
            await asyncio.gather(*(one(row["id"]) for row in claimed))
            left -= len(claimed)


async def measure(figures: dict[str, float], name: str, jobs: int, act: Callable[[], Awaitable[None]]) -> None:
    """Note how many jobs a second `act` gets through, and the milliseconds of this process's CPU that one takes."""
    began, began_cpu = time.perf_counter(), time.process_time()
    await act()
    figures[name] = jobs / (time.perf_counter() - began)
    figures[f"{name}, CPU ms"] = (time.process_time() - began_cpu) * 1000 / jobs


async def measure_round(bench: Bench, jobs: int) -> dict[str, float]:
    """Measure everything once."""
    figures: dict[str, float] = {}
    await measure(figures, "enqueue", jobs, lambda: enqueue_each(bench, NOOP, jobs))
    await measure(figures, "no-op", jobs, lambda: work_until_empty(bench))
    figures["no-op, enqueue + run"] = 1 / (1 / figures["enqueue"] + 1 / figures["no-op"])
    await enqueue_together(bench, ROW, jobs)
    await measure(figures, "one row", jobs, lambda: work_until_empty(bench))
    await bench.superuser.executemany(
        "INSERT INTO public.loop_jobs (id, payload) VALUES ($1, '{}')", [(new_id(),) for _ in range(jobs)]
    )
    await measure(figures, "one row, loop", jobs, lambda: loop_until_empty(bench, jobs))
    for name in ("no-op", "one row"):
        figures[f"{name} / loop"] = figures[name] / figures["one row, loop"]
    return figures


def print_figures(figures: dict[str, float]) -> None:
    """Print rates with the CPU time beside them."""
    for name, figure in figures.items():
        if "/" in name:
            print(f"{name:24} {figure:10,.2f}")
        elif "CPU" not in name:
            cpu_ms = figures.get(f"{name}, CPU ms")
            print(f"{name:24} {figure:10,.0f} jobs/s" + (f"   {cpu_ms:.2f} ms CPU a job" if cpu_ms else ""))


async def measure_pickup(bench: Bench, jobs: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return milliseconds from the commit of an enqueue to the start of its handler, and of a bare commit, sorted."""
    started = asyncio.Event()

    async def note(_: JobRun) -> None:
        started.set()

    handler = JobHandler(kind("pickup", "pickup"), note)
    stop = asyncio.Event()
    worker = Worker(bench.database, JobRegistry([handler]), LIMITS, wakeups=PostgresWakeups(bench.urls.app))
    working = asyncio.create_task(worker.run(stop))
    pickups: list[float] = []
    commits: list[float] = []
    for _ in range(jobs):
        started.clear()
        began = time.perf_counter()
        await enqueue_together(bench, handler, 1)
        committed = time.perf_counter()
        await started.wait()
        pickups.append((time.perf_counter() - committed) * 1000)
        commits.append((committed - began) * 1000)
    stop.set()
    await working
    return sorted(pickups), sorted(commits)


async def main(urls: DatabaseUrls, jobs: int, rounds: int, finished: int) -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    superuser = await asyncpg.connect(urls.superuser)
    await superuser.execute(EFFECTS_TABLE + LOOP_TABLE)
    owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
    tenant = await make_tenant(owner)
    database = await Database.connect(urls.app, POOL, scope_key=SCOPE_KEY)
    bench = Bench(urls, database, superuser, tenant.admin)
    version = await superuser.fetchval("SHOW server_version")
    print(f"PostgreSQL {version}, {CONCURRENCY} slots, {jobs} jobs a round, {rounds} rounds, medians")
    await measure_round(bench, 64)
    found = [await measure_round(bench, jobs) for _ in range(rounds)]
    empty = {name: statistics.median(figures[name] for figures in found) for name in found[0]}
    print_figures(empty)
    pickups, commits = await measure_pickup(bench, 300)
    middle, last = len(pickups) // 2, len(pickups) * 99 // 100
    print(f"{'pickup':24} {pickups[middle]:10.2f} ms p50, {pickups[last]:.2f} ms p99 after the commit")
    print(f"{'enqueue, one at a time':24} {commits[middle]:10.2f} ms p50, {commits[last]:.2f} ms p99")
    await superuser.execute(FINISHED_ROWS, tenant.tenant_id, tenant.admin_id, finished)
    await superuser.execute("VACUUM (ANALYZE) mainstay.jobs")
    beside_loop = [(await measure_round(bench, jobs)) for _ in range(rounds)]
    full = {name: statistics.median(figures[name] for figures in beside_loop) for name in empty}
    # Both as multiples of the loop, whose table stays small: so the noise of the machine cancels.
    slower = {name: empty[f"{name} / loop"] / full[f"{name} / loop"] for name in ("no-op", "one row")}
    print(f"with {finished:,} finished jobs: no-op {slower['no-op']:.2f}, one row {slower['one row']:.2f} times slower")
    for opened in (database, owner):
        await opened.close()
    await superuser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--finished", type=int, default=1_000_000)
    given = parser.parse_args()
    with temporary_folder() as folder, production_cluster(folder) as cluster:
        addresses = DatabaseUrls(cluster.superuser_url, cluster.owner_url, cluster.app_url)
        asyncio.run(main(addresses, given.jobs, given.rounds, given.finished))
