"""`python -m bench.limits`: how exact limits are over four processes, and what they cost a request.

On a PostgreSQL of its own with the product's settings, fsync and all. Beside ours stands the same with a question to
the database for each request, and an UPDATE of one row in each way that the table could be kept.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from bench.figures import Figure, machine, print_figures, save_figures
from bench.postgres import postmaster, production_cluster, temporary_folder
from bench.process_cpu import tree_cpu_s
from mainstay.control.access.models import Caller
from mainstay.control.limits.admission import Admission
from mainstay.edge.server.rate_limits import headers_of
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import SCOPE_KEY
from tests.support.limited_process import demand_of_processes
from tests.support.tenants import TestTenant, make_tenant

PROCESSES = 4
TASKS = 8
# Requests a second that come to each process where the limit is not reached.
RATE = 150.0
KEPT = {
    "logged, synchronous commit": ("LOGGED", "on"),
    "logged, asynchronous commit": ("LOGGED", "off"),
    "unlogged": ("UNLOGGED", "on"),
}


@dataclass(frozen=True)
class Bench:
    """One database, and what is limited in it."""

    cluster: EmbeddedCluster
    superuser: asyncpg.Connection
    tenant: TestTenant

    async def demand(
        self,
        cap: Sequence[object] | None,
        *,
        seconds: float,
        rate: float,
        module: str = "tests.support.limited_process",
    ) -> dict[str, float]:
        """Return what four processes counted together for a new key, and the processor time of PostgreSQL."""
        key_id = new_id()
        if cap is not None:
            await self.superuser.execute(
                "INSERT INTO mainstay.request_caps VALUES ($1, $2, $3, $4, $5)", self.tenant.tenant_id, key_id, *cap
            )
        wanted: Mapping[str, Any] = {
            "tenant_id": str(self.tenant.tenant_id), "principal_id": str(self.tenant.admin_id),
            "key_id": str(key_id), "rate": rate, "tasks": TASKS,
        }  # fmt: skip
        before = tree_cpu_s(postmaster(self.cluster))
        counts = await demand_of_processes(self.cluster.app_url, PROCESSES, wanted, seconds=seconds, module=module)
        found = {name: sum(count[name] for count in counts) for name in counts[0]}
        return {**found, "postgres_cpu_s": tree_cpu_s(postmaster(self.cluster)) - before}


async def measure_accuracy(bench: Bench, seconds: float) -> list[Figure]:
    """Return by how much what was admitted departs from the limits, in percent."""
    per_hour, rate, burst = 3_000, 100.0, 100
    hour = await bench.demand((None, None, per_hour), seconds=seconds, rate=2 * per_hour / seconds / PROCESSES)
    second = await bench.demand((rate, burst, None), seconds=seconds, rate=rate)
    allowed = burst + rate * seconds
    return [
        Figure(
            "S.P4", f"departure from {per_hour} requests an hour, {PROCESSES} processes",
            abs(hour["admitted"] - per_hour) * 100 / per_hour, " %", at_most=2,
            note=f"{hour['admitted']:.0f} admitted, {hour['refused']:.0f} refused",
        ),
        Figure(
            "S.P4", f"departure from {rate:g} requests a second, {PROCESSES} processes",
            abs(second["admitted"] - allowed) * 100 / allowed, " %", at_most=2,
            note=f"{second['admitted']:.0f} of {allowed:.0f} admitted, {second['refused']:.0f} refused",
        ),
        Figure("S.P4", "requests that failed", hour["failed"] + second["failed"], at_most=0),
    ]  # fmt: skip


async def measure_cost(bench: Bench, seconds: float) -> list[Figure]:
    """Return the processor time of a request, with leases and without, in microseconds."""
    idle = await measure_loop(bench, seconds / 2)
    figures: list[Figure] = []
    for name, module in (("leases", "tests.support.limited_process"), ("one question each", "bench.asking_each")):
        found = await bench.demand((500_000.0, 1_000_000, None), seconds=seconds, rate=RATE, module=module)
        requests = found["admitted"]
        figures += [
            Figure("", f"{name}: questions to the database a request", found["calls"] / requests),
            Figure("", f"{name}: CPU of the process", max(0.0, found["cpu_s"] / requests * 1e6 - idle), " µs"),
            Figure("", f"{name}: CPU of PostgreSQL", found["postgres_cpu_s"] / requests * 1e6, " µs"),
        ]
    return figures


async def measure_loop(bench: Bench, seconds: float) -> float:
    """Return the microseconds that the processes' own loop takes a request."""
    found = await bench.demand(None, seconds=seconds, rate=RATE, module="bench.asking_nobody")
    return found["cpu_s"] / found["admitted"] * 1e6


async def measure_held(bench: Bench, requests: int) -> list[Figure]:
    """Return the microseconds of a request that is admitted without a question, and of its headers."""
    database = await Database.connect(bench.cluster.app_url, scope_key=SCOPE_KEY)
    admission = Admission(database)
    caller = Caller(bench.tenant.tenant_id, bench.tenant.admin_id, new_id(), "admin", "bench")
    found: list[tuple[float, float]] = []
    for _ in range(5):
        standing = await admission.admit("ms_key", caller)
        began = time.process_time()
        for _ in range(requests):
            standing = await admission.admit("ms_key", caller)
        admitted = time.process_time()
        for _ in range(requests):
            list(headers_of(standing))
        found.append((admitted - began, time.process_time() - admitted))
    await admission.close()
    await database.close()
    taken, written = (statistics.median(times) * 1e6 / requests for times in zip(*found, strict=True))
    return [
        Figure("", "to admit one request, nearly all from a lease", taken, " µs"),
        Figure("", "to write its headers", written, " µs"),
    ]


async def measure_kept(bench: Bench, updates: int) -> list[Figure]:
    """Return the milliseconds of an UPDATE of one row, in each way that the table could be kept."""
    figures: list[Figure] = []
    for name, (kind, commit) in KEPT.items():
        await bench.superuser.execute(f"ALTER TABLE public.counted SET {kind}; SET synchronous_commit = {commit}")
        took: list[float] = []
        for _ in range(updates):
            began = time.perf_counter()
            await bench.superuser.fetch("UPDATE public.counted SET used = used + 1 WHERE id = $1 RETURNING used", 1)
            took.append(time.perf_counter() - began)
        figures.append(Figure("", f"one row updated, {name}: p50", statistics.median(took) * 1000, " ms"))
    return figures


async def run(cluster: EmbeddedCluster, seconds: float) -> list[Figure]:
    """Measure everything."""
    superuser = await asyncpg.connect(cluster.superuser_url)
    await superuser.execute("CREATE TABLE public.counted (id int PRIMARY KEY, used bigint) WITH (fillfactor = 50)")
    await superuser.execute("INSERT INTO public.counted VALUES (1, 0)")
    await superuser.execute("INSERT INTO mainstay.plans VALUES ('bench', true, 1e6, 10000000, 1000000000)")
    owner = await Database.connect(cluster.owner_url, scope_key=SCOPE_KEY, as_owner=True)
    tenant = await make_tenant(owner)
    await owner.close()
    await superuser.execute("UPDATE mainstay.tenants SET plan = 'bench' WHERE tenant_id = $1", tenant.tenant_id)
    bench = Bench(cluster, superuser, tenant)
    figures = [
        *await measure_accuracy(bench, seconds),
        *await measure_cost(bench, seconds),
        *await measure_held(bench, 20_000),
        *await measure_kept(bench, 1_000),
    ]
    await superuser.close()
    return figures


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    if time.time() % 3600 > 3600 - 5 * options.seconds:
        sys.exit("An hour of the clock ends during this bench, and with it what is counted: start it again then.")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"{machine()}\n{PROCESSES} processes, {options.seconds:g} s a run\n")
    with temporary_folder() as folder, production_cluster(folder) as cluster:
        figures = asyncio.run(run(cluster, options.seconds))
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
