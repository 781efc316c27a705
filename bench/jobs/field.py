"""All systems of a run: how each is started, rounds in turn, and the medians."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.contender import PEERS_PYTHON
from bench.jobs.rivals import Rate, Rival
from bench.postgres import create_database
from mainstay.platform.postgres.embedded import EmbeddedCluster

OURS, LOOP, RAW = "ours", "loop by hand", "raw batches"
PGQUEUER, PGQUEUER_5, PROCRASTINATE, DRAMATIQ = "pgqueuer", "pgqueuer x5", "procrastinate", "dramatiq on redis"
# As many as a peer's largest batch; and as many as the loop has connections.
SLOTS, ROW_SLOTS = 100, 16
# Slow systems get fewer jobs, so that each round takes some seconds.
_SHARES = {PROCRASTINATE: 50, DRAMATIQ: 5, LOOP: 10}


@dataclass(frozen=True)
class Ground:
    """Where everything is measured."""

    folder: Path
    cluster: EmbeddedCluster
    postmaster: int
    tenant_id: str
    principal_id: str
    redis: str | None
    has_peers: bool

    def our_options(self, slots: int) -> dict[str, object]:
        """Return what opens a process of ours."""
        urls = [self.cluster.superuser_url, self.cluster.app_url]
        return {"urls": urls, "tenant_id": self.tenant_id, "principal_id": self.principal_id, "slots": slots}

    def entries(self) -> Sequence[tuple[str, str]]:
        """Return each system that is there with each kind of job that it does."""
        found = [(OURS, "noop"), (RAW, "noop"), (OURS, "row"), (LOOP, "row")]
        if self.has_peers:
            found += [(PGQUEUER, "noop"), (PGQUEUER_5, "noop"), (PROCRASTINATE, "noop")]
            found += [(DRAMATIQ, "noop")] if self.redis else []
        return found


@cache
def _database(cluster: EmbeddedCluster, name: str) -> str:
    return create_database(cluster, name)


class Field:
    """Measures `entries`, each in each number of processes."""

    def __init__(
        self, ground: Ground, entries: Sequence[tuple[str, str]], jobs: int, rounds: int, processes: Sequence[int]
    ) -> None:
        self._ground = ground
        self._entries = entries
        self._jobs = jobs
        self._rounds = rounds
        self._processes = processes
        self._rates: dict[tuple[str, str, int], list[Rate]] = defaultdict(list)

    def measure(self) -> None:
        """Run all rounds; the systems take turns in each."""
        for _ in range(self._rounds):
            for name, job in self._entries:
                for processes in self._processes:
                    jobs = max(200, self._jobs // (10 if job == "row" else _SHARES.get(name, 1)))
                    with self.rival(name, processes, job) as rival:
                        # What is slow only the first time is no part of a rate.
                        rival.work(job, 200, self._ground.postmaster)
                        self._rates[name, job, processes].append(rival.work(job, jobs, self._ground.postmaster))

    def has(self, name: str, job: str) -> bool:
        """Return whether a system was measured."""
        return any((name, job, processes) in self._rates for processes in self._processes)

    def best(self, name: str, job: str) -> Rate:
        """Return the better of the medians of a system's ways to run."""
        return self._best(name, job)[1]

    def told(self, name: str, job: str) -> str:
        """Return which way that was."""
        way, processes = self._best(name, job)[0]
        return f"in {processes} process{'es' if processes > 1 else ''}{', five managers each' if '5' in way else ''}"

    def print_rates(self) -> None:
        """Print every median with its range and what a job costs."""
        print(
            f"\n{'system':20} {'job':5} {'processes':>9} {'jobs/s':>8} {'range':>16}   CPU ms a job: system, PostgreSQL"
        )
        for (name, job, processes), rates in self._rates.items():
            middle, all_rates = _median(rates), [rate.jobs_per_s for rate in rates]
            print(
                f"{name:20} {job:5} {processes:9} {middle.jobs_per_s:8,.0f}"
                f" {min(all_rates):7,.0f}-{max(all_rates):7,.0f}"
                f"   {middle.system_cpu_ms:.3f}, {middle.postgres_cpu_ms:.3f}"
            )

    def rival(self, name: str, processes: int, job: str = "noop") -> Rival:
        """Return a system, not started yet."""
        ground, log = self._ground, self._ground.folder / "rival.log"
        slots = ROW_SLOTS if job == "row" else SLOTS
        ours = ground.our_options(slots)
        here = Path(sys.executable)
        if name == OURS:
            return Rival(name, "bench.jobs.ours", here, log, processes, ours)
        if name in (LOOP, RAW):
            options = {**ours, "slots": ROW_SLOTS, "name": job}
            return Rival(name, "bench.jobs.hand_written", here, log, processes, options)
        if name == DRAMATIQ:
            return Rival(name, "bench.peers.jobs_dramatiq", PEERS_PYTHON, log, processes, {"url": ground.redis})
        number = len(self._rates.get((name, job, processes), ()))
        database = f"{name.replace(' ', '_')}_{job}_{processes}_{number}"
        options = {"url": _database(ground.cluster, database)}
        if name == PROCRASTINATE:
            options |= {"slots": SLOTS}
            return Rival(name, "bench.peers.jobs_procrastinate", PEERS_PYTHON, log, processes, options, installs=True)
        options |= {"managers": 5 if name == PGQUEUER_5 else 1}
        return Rival(name, "bench.peers.jobs_pgqueuer", PEERS_PYTHON, log, processes, options, installs=True)

    def _best(self, name: str, job: str) -> tuple[tuple[str, int], Rate]:
        # PgQueuer's own benchmark runs five managers in one process; that counts as one of its ways.
        ways = (PGQUEUER, PGQUEUER_5) if name == PGQUEUER else (name,)
        found = {
            (way, processes): _median(self._rates[way, job, processes])
            for way in ways
            for processes in self._processes
            if (way, job, processes) in self._rates
        }
        return max(found.items(), key=lambda item: item[1].jobs_per_s)


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(
        statistics.median(rate.jobs_per_s for rate in rates),
        statistics.median(rate.system_cpu_ms for rate in rates),
        statistics.median(rate.postgres_cpu_ms for rate in rates),
    )
