"""Throughput while workers, backends of PostgreSQL and PostgreSQL itself are killed, and what that lost or doubled.

Each job writes one row of a ledger in its fenced commit. A killed worker is started again at once, as a supervisor
does it; PostgreSQL recovers from a killed backend by itself, and throws everybody out meanwhile.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench.jobs.rivals import Rival
from mainstay.platform.postgres.embedded import APP_ROLE, EmbeddedCluster

KINDS = ("worker", "backend", "restart")
WINDOW_S = 10.0
_CONNECT_S = 60.0
# The lease of production, what is left to do, and a good deal more.
_DRAIN_S = 180.0
# What was never claimed is taken out, so that the end of the rest can be awaited.
_CANCEL_UNTOUCHED = (
    "UPDATE mainstay.jobs SET state = 'cancelled', finished_at = now() WHERE state = 'queued' AND fence = 0"
)
_UNFINISHED = "SELECT count(*) FROM mainstay.jobs WHERE state NOT IN ('succeeded', 'cancelled', 'dead')"
_JUDGE = """
WITH ledger AS (SELECT job_id, count(*) AS effects FROM public.effects GROUP BY job_id)
SELECT count(*) FILTER (WHERE j.fence > 0) AS claimed, count(*) FILTER (WHERE j.fence > 1) AS again,
       count(*) FILTER (WHERE j.fence > 0 AND (j.state <> 'succeeded' OR l.effects IS NULL)) AS lost,
       count(*) FILTER (WHERE l.effects > 1 OR (l.effects = 1 AND j.state <> 'succeeded')) AS doubled
  FROM mainstay.jobs j LEFT JOIN ledger l ON l.job_id = j.id
"""


@dataclass(frozen=True)
class Held:
    """Jobs a second in each window, quiet ones before and after each disturbed one; and what the ledger says."""

    quiet: Sequence[float]
    disturbed: Sequence[tuple[str, float]]
    claimed: int
    again: int
    lost: int
    doubled: int

    def ratio(self, kind: str) -> float:
        """Return the windows with such kills against their quiet neighbours."""
        pairs = [
            (rate, (self.quiet[number] + self.quiet[number + 1]) / 2)
            for number, (what, rate) in enumerate(self.disturbed)
            if what == kind
        ]
        return sum(rate for rate, _ in pairs) / sum(calm for _, calm in pairs)

    def told(self, kind: str) -> str:
        """Return the rates of the windows with such kills."""
        return " ".join(f"{rate:,.0f}" for what, rate in self.disturbed if what == kind)


async def measure_kills(rival: Rival, cluster: EmbeddedCluster, jobs: int, rounds: int) -> Held:
    """Kill one of each kind in turn, `rounds` times; `jobs` must be more than can be done meanwhile."""
    rival.control.do("fill", name="row", jobs=jobs)
    for worker in rival.workers:
        worker.do("start")
    await asyncio.sleep(WINDOW_S / 2)
    quiet, disturbed = [await _rate(cluster)], list[tuple[str, float]]()
    for turn in range(rounds * len(KINDS)):
        kind = KINDS[turn % len(KINDS)]
        disturbed.append((kind, await _rate(cluster, _disturb(kind, rival, cluster))))
        quiet.append(await _rate(cluster))
    async with _superuser(cluster) as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM mainstay.jobs WHERE fence = 0)"):
            raise RuntimeError(f"{jobs} jobs were too few: the workers had nothing to do in the last windows.")
        await connection.execute(_CANCEL_UNTOUCHED)
        end = time.monotonic() + _DRAIN_S
        while await connection.fetchval(_UNFINISHED) and time.monotonic() < end:
            await asyncio.sleep(0.5)
        judged = await connection.fetchrow(_JUDGE)
    for worker in rival.workers:
        worker.do("stop")
    return Held(quiet, disturbed, **dict(judged))


async def _rate(cluster: EmbeddedCluster, disturbed: Awaitable[None] | None = None) -> float:
    """Return jobs a second in a window, which begins with what disturbs it."""
    before, began = await _effects(cluster), time.perf_counter()
    if disturbed is not None:
        await disturbed
    await asyncio.sleep(max(0.0, began + WINDOW_S - time.perf_counter()))
    done = await _effects(cluster)
    return (done - before) / (time.perf_counter() - began)


async def _effects(cluster: EmbeddedCluster) -> int:
    async with _superuser(cluster) as connection:
        return await connection.fetchval("SELECT count(*) FROM public.effects")


async def _disturb(kind: str, rival: Rival, cluster: EmbeddedCluster) -> None:
    if kind == "worker":
        rival.kill_worker()
        rival.workers[-1].do("start")
    elif kind == "backend":
        async with _superuser(cluster) as connection:
            busy = "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle' LIMIT 1"
            while (backend := await connection.fetchval(busy, APP_ROLE)) is None:
                await asyncio.sleep(0.001)
            os.kill(backend, signal.SIGKILL)
    else:
        # In this thread, for the server ends with the one that started it.
        cluster.stop(_CONNECT_S)
        cluster.start(_CONNECT_S)


@asynccontextmanager
async def _superuser(cluster: EmbeddedCluster) -> AsyncGenerator[asyncpg.Connection]:
    """Connect as soon as the server answers."""
    end = time.monotonic() + _CONNECT_S
    while True:
        try:
            connection = await asyncpg.connect(cluster.superuser_url, timeout=5)
            break
        except (OSError, asyncpg.PostgresError, TimeoutError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)
    try:
        yield connection
    finally:
        await connection.close()
