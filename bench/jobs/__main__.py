"""Prints jobs a second and their pickup beside the goals, everything in one run on one PostgreSQL with fsync.

Rounds of all systems take turns. Each system works in one process and in two, and its better median counts. A queue
that is missing is told as "not measured", and so is what would be held against it.
"""

import argparse
import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import asyncpg

from bench.contender import PEERS_PYTHON, Contender, peers_missing, versions
from bench.figures import Figure, machine, print_figures, save_figures
from bench.jobs.field import LOOP, OURS, Field, Ground
from bench.jobs.hand_written import TABLE
from bench.jobs.held import END_ALL, measure_held
from bench.jobs.kills import KINDS, WINDOW_S, measure_kills
from bench.jobs.pickup import measure_pickup
from bench.jobs.redis import MISSING, running_redis
from bench.postgres import create_database, postmaster, production_cluster, temporary_folder
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.database import SCOPE_KEY
from tests.support.jobs import EFFECTS_TABLE
from tests.support.tenants import make_tenant

_PEERS = ("pgqueuer", "procrastinate", "dramatiq")


async def prepare(cluster: EmbeddedCluster) -> tuple[str, str]:
    """Make the tables of the bench, and a tenant; return its id and its admin's."""
    superuser = await asyncpg.connect(cluster.superuser_url)
    await superuser.execute(EFFECTS_TABLE + TABLE)
    await superuser.close()
    owner = await Database.connect(cluster.owner_url, scope_key=SCOPE_KEY, as_owner=True)
    tenant = await make_tenant(owner)
    await owner.close()
    return str(tenant.tenant_id), str(tenant.admin_id)


def no_op_figures(field: Field) -> list[Figure]:
    """Return F.J1 for jobs that do nothing."""
    ours = field.best(OURS, "noop")
    found = [Figure("F.J1", "no-op jobs, ours", ours.jobs_per_s, "/s", note=field.told(OURS, "noop"))]
    for peer, at_least in (("pgqueuer", 1), ("procrastinate", 40), ("dramatiq on redis", 5), ("raw batches", None)):
        if field.has(peer, "noop"):
            note = f"{field.best(peer, 'noop').jobs_per_s:,.0f}/s {field.told(peer, 'noop')}"
            ratio = ours.jobs_per_s / field.best(peer, "noop").jobs_per_s
            found.append(Figure("F.J1", f"no-op jobs, ours / {peer}", ratio, "x", at_least=at_least, note=note))
    return found


def row_figures(field: Field) -> list[Figure]:
    """Return F.J1 for jobs whose effect is a row."""
    ours, loop = field.best(OURS, "row").jobs_per_s, field.best(LOOP, "row").jobs_per_s
    note = f"{ours:,.0f}/s {field.told(OURS, 'row')}, and {loop:,.0f}/s {field.told(LOOP, 'row')}"
    return [Figure("F.J1", "jobs of one row, ours / loop by hand", ours / loop, "x", at_least=0.5, note=note)]


def pickup_figures(ground: Ground, rounds: int) -> list[Figure]:
    """Return F.J2."""
    with ExitStack() as stack:

        def opened(name: str, module: str, python: Path, **options: object) -> Contender:
            log = ground.folder / f"pickup-{name}.log"
            contender = stack.enter_context(Contender(name, module, python=python, log=log))
            contender.do("open", **options)
            return contender

        ours = opened(OURS, "bench.jobs.ours", Path(sys.executable), **ground.our_options(16))
        peer = None
        if ground.has_peers:
            url = create_database(ground.cluster, "pickup")
            module = "bench.peers.jobs_procrastinate"
            peer = opened("procrastinate", module, PEERS_PYTHON, url=url, slots=16, install=True)
        found = measure_pickup(ground.folder, ours, peer, rounds)
    note = f"{found.ours_ms:.2f} ms, p99 {found.ours_p99_ms:.2f} ms, disk {found.disk_ms:.2f} ms"
    figures = [Figure("F.J2", "pickup / fdatasync, p50", found.ours_ms / found.disk_ms, "x", at_most=2.5, note=note)]
    if found.procrastinate_ms is not None:
        note = f"{found.procrastinate_ms:.2f} ms"
        ratio = found.ours_ms / found.procrastinate_ms
        figures.append(Figure("F.J2", "pickup, ours / procrastinate, p50", ratio, "x", at_most=0.5, note=note))
    return figures


def enqueue_figures(ground: Ground, field: Field, jobs: int) -> list[Figure]:
    """Return S.Q10: what a job takes from its enqueue to its end, one transaction each."""
    rival = field.rival(OURS, 1)
    with rival:
        rate = jobs / float(rival.control.do("enqueue", jobs=jobs))
    both = 1 / (1 / rate + 1 / field.best(OURS, "noop").jobs_per_s)
    note = f"enqueue alone {rate:,.0f}/s"
    asyncio.run(empty(ground))
    return [Figure("S.Q10", "no-op jobs, enqueue and run", both, "/s", at_least=300, note=note)]


def finished_figures(ground: Ground, jobs: int, rounds: int, finished: int) -> list[Figure]:
    """Return S.Q10 for a full table: against the loop, whose table stays small, so that the machine's noise cancels."""
    before = Field(ground, [(OURS, "noop"), (LOOP, "row")], jobs, rounds, (1,))
    before.measure()
    with before.rival(OURS, 1) as rival:
        rival.control.do("add_finished", jobs=finished)
    after = Field(ground, [(OURS, "noop"), (LOOP, "row")], jobs, rounds, (1,))
    after.measure()
    small, large = (one.best(OURS, "noop").jobs_per_s / one.best(LOOP, "row").jobs_per_s for one in (before, after))
    note = f"{after.best(OURS, 'noop').jobs_per_s:,.0f}/s"
    return [Figure("S.Q10", f"slower with {finished:,} finished jobs", small / large, "x", at_most=2, note=note)]


def held_figures(ground: Ground, field: Field, held_s: float) -> list[Figure]:
    """Return F.J3's open transaction: the last windows against the first ones."""
    jobs = int(field.best(OURS, "noop").jobs_per_s * held_s * 1.5)
    with field.rival(OURS, 2) as rival:
        rates = asyncio.run(measure_held(rival, ground.cluster.superuser_url, jobs, held_s))
    told = " ".join(f"{rate:,.0f}" for rate in rates)
    first, last = sum(rates[:2]), sum(rates[-2:])
    return [Figure("F.J3", f"throughput after {held_s:g} s / at the start of an open transaction", last / first, "x",
                   at_least=0.8, note=f"jobs/s in windows of 5 s: {told}")]  # fmt: skip


def kills_figures(folder: Path, jobs_per_s: float, rounds: int) -> list[Figure]:
    """Return F.J3's kills, on a PostgreSQL that nothing else is measured on."""
    with production_cluster(folder / "killed") as cluster:
        tenant_id, principal_id = asyncio.run(prepare(cluster))
        ground = Ground(folder, cluster, postmaster(cluster), tenant_id, principal_id, None, has_peers=False)
        jobs = int(jobs_per_s * WINDOW_S * (2 * rounds * len(KINDS) + 2) * 2)
        with Field(ground, [], jobs, 1, (2,)).rival(OURS, 2, "row") as rival:
            held = asyncio.run(measure_kills(rival, cluster, jobs, rounds))
    calm = " ".join(f"{rate:,.0f}" for rate in held.quiet)
    figures = [
        Figure("F.J3", f"throughput with {what} / without", held.ratio(kind), "x", at_least=0.8,
               note=f"jobs of one row a second in windows of {WINDOW_S:g} s: {held.told(kind)}; quiet: {calm}")
        for kind, what in zip(KINDS, ("a worker killed", "a backend killed", "PostgreSQL restarted"), strict=True)
    ]  # fmt: skip
    note = f"of {held.claimed:,} jobs, {held.again:,} of which were claimed again, under {rounds * len(KINDS)} kills"
    figures.append(Figure("F.J3", "jobs lost under kills", held.lost, at_most=0, note=note))
    return [*figures, Figure("F.J3", "jobs doubled under kills", held.doubled, at_most=0, note=note)]


async def empty(ground: Ground) -> None:
    """End what waits."""
    superuser = await asyncpg.connect(ground.cluster.superuser_url)
    await superuser.execute(END_ALL)
    await superuser.close()


def measure(ground: Ground, given: argparse.Namespace) -> list[Figure]:
    """Measure everything that was asked for."""
    field = Field(ground, ground.entries(), given.jobs, given.rounds, (1, 2))
    field.measure()
    field.print_rates()
    figures = [*no_op_figures(field), *row_figures(field)]
    figures += pickup_figures(ground, given.rounds)
    figures += enqueue_figures(ground, field, given.jobs // 10)
    if given.held_s:
        figures += held_figures(ground, field, given.held_s)
    if given.kill_rounds:
        figures += kills_figures(ground.folder, field.best(OURS, "row").jobs_per_s, given.kill_rounds)
    if given.finished:
        figures += finished_figures(ground, given.jobs // 2, given.rounds, given.finished)
    return figures


def main() -> int:
    """Print the figures; the exit code tells whether anything could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--held-s", type=float, default=60.0)
    parser.add_argument("--kill-rounds", type=int, default=2)
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    missing = peers_missing()
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        cluster = stack.enter_context(production_cluster(folder))
        redis = stack.enter_context(running_redis(folder / "redis"))
        tenant_id, principal_id = asyncio.run(prepare(cluster))
        ground = Ground(folder, cluster, postmaster(cluster), tenant_id, principal_id, redis, missing is None)
        print(f"{machine()}\n{'' if missing else versions(PEERS_PYTHON, _PEERS)}")
        figures = measure(ground, given)
    print_figures(figures)
    print(f"\nload at the end {'/'.join(f'{value:.1f}' for value in os.getloadavg())}")
    if missing:
        print(f"not measured: {', '.join(_PEERS)}: {missing}")
    if redis is None:
        print(f"not measured: dramatiq: {MISSING}")
    if given.figures:
        save_figures(figures, given.figures)
    return 1 if missing or redis is None else 0


if __name__ == "__main__":
    sys.exit(main())
