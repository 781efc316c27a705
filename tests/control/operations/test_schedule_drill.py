"""Three schedulers over a change of clocks and an outage, killed in the middle, with wrong clocks of their own.

The clock of PostgreSQL is put by the test, a minute at a time; those of the schedulers are five minutes before and
after the true one. What should have been fired is found by looking at each minute, without the code under test.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from mainstay.control.operations.schedule_clock import ScheduleClock, by_name
from mainstay.platform.jobs.limits import ON_TIME_S
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.fake_time import ClockedCluster, find_library, skewed
from tests.support.figures import Figures
from tests.support.folders import passable_folder
from tests.support.jobs import REPOSITORY
from tests.support.schedules import DRILLED, MINUTE, ScheduleTable, due_of
from tests.support.tenants import make_tenant

SKEWS_S = (300, -300, 0)
TENANTS = 3
TICKS_MIN = 1000
OUTAGE = timedelta(hours=1)
STEP_DEADLINE_S = 60.0


@dataclass
class Ticker:
    """One scheduler, started again when it is killed; `ticks` counts those of all its lives."""

    url: str
    environment: dict[str, str]
    ticks: int = 0
    failures: int = 0
    kills: int = 0
    skew_s: float = 0.0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.schedule_ticker", self.url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=REPOSITORY,
            env={**os.environ, **self.environment},
        )  # fmt: skip
        self.reading = asyncio.create_task(self._read(self.process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode():
            word, *rest = line.split()
            if word == "clock":
                self.skew_s = float(rest[0]) - datetime.now(UTC).timestamp()
            self.ticks += word == "tick"
            self.failures += word == "failed"
            self.heard.set()

    async def has_ticked(self, more: int) -> None:
        wanted = self.ticks + more
        async with asyncio.timeout(STEP_DEADLINE_S):
            while self.ticks < wanted:
                self.heard.clear()
                await self.heard.wait()

    async def kill(self) -> None:
        assert self.process is not None
        assert self.reading is not None
        self.process.kill()
        await self.process.wait()
        await self.reading
        self.kills += 1


@dataclass
class Drill:
    """The schedulers and the clock that they all go by."""

    cluster: ClockedCluster
    table: ScheduleTable
    tickers: Sequence[Ticker]
    now: datetime

    def put_clock(self, instant: datetime) -> None:
        self.now = instant
        self.cluster.set_clock(instant - datetime.now(UTC))

    async def all_tick(self) -> None:
        """Return when every scheduler has begun and ended a tick since: one may have begun before."""
        await asyncio.gather(*(ticker.has_ticked(2) for ticker in self.tickers))

    async def pass_until(self, instant: datetime, kill: float) -> None:
        """Let the time come, a minute at a time; with each minute one is killed with this probability."""
        while self.now < instant:
            self.put_clock(self.now + MINUTE)
            if random.random() < kill:  # noqa: S311
                await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 (anywhere in its tick)
                victim = random.choice(self.tickers)  # noqa: S311
                await victim.kill()
                await victim.start()
            await self.all_tick()

    async def outage(self) -> tuple[datetime, datetime]:
        """Kill all, let an hour pass, and start them again; return from when to when nobody ticked."""
        began = self.now
        for ticker in self.tickers:
            await ticker.kill()
        self.put_clock(began + OUTAGE)
        for ticker in self.tickers:
            await ticker.start()
        await self.all_tick()
        return began, self.now


@asynccontextmanager
async def drilling(start: datetime) -> AsyncIterator[tuple[Drill, list[dict[str, datetime]], list]]:
    """Start everything at the time `start`; yield the drill, when each schedule is first due, and the tenants."""
    library = find_library()
    if library is None:
        pytest.skip("libfaketime is not installed: on Debian it is in the package faketime")
    with passable_folder() as folder:
        cluster = ClockedCluster(Path(folder) / "postgres", library)
        cluster.start(deadline_s=90)
        try:
            async with scratch_database(cluster.superuser_url) as urls, _drill(cluster, urls, library, start) as drill:
                yield drill
        finally:
            cluster.stop(deadline_s=20)


@asynccontextmanager
async def _drill(
    cluster: ClockedCluster, urls: DatabaseUrls, library: Path, start: datetime
) -> AsyncIterator[tuple[Drill, list[dict[str, datetime]], list]]:
    tickers = [Ticker(urls.app, skewed(library, skew_s)) for skew_s in SKEWS_S]
    async with asyncpg.create_pool(urls.superuser, min_size=1, max_size=2) as pool:
        drill = Drill(cluster, ScheduleTable(pool), tickers, start)
        drill.put_clock(start)
        owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
        database = await Database.connect(urls.app, scope_key=SCOPE_KEY)
        try:
            tenants = [(await make_tenant(owner)).tenant_id for _ in range(TENANTS)]
            await ScheduleClock(database, by_name(DRILLED)).put()
        finally:
            await owner.close()
            await database.close()
        first = [
            {name: row["next_due_at"] for name, row in (await drill.table.rows(tenant_id)).items()}
            for tenant_id in tenants
        ]
        for ticker in tickers:
            await ticker.start()
        try:
            yield drill, first, tenants
        finally:
            for ticker in tickers:
                await ticker.kill()


def expected(name: str, first: datetime, until: datetime, outage: tuple[datetime, datetime]) -> list[datetime]:
    """Return what must have been fired, by the policy that the name ends with."""
    due = due_of(name, first - timedelta(microseconds=1), until)
    if name.endswith("_all"):
        return due
    began, ended = outage
    missed = [one for one in due if began < one <= ended]
    caught_up = missed[-1:]
    if name.endswith("_skip"):
        caught_up = [one for one in caught_up if ended - one <= timedelta(seconds=ON_TIME_S)]
    return [one for one in due if one not in missed or one in caught_up]


@pytest.mark.deep
@pytest.mark.timeout(580)
@pytest.mark.parametrize(
    ("start", "outage_at", "end"),
    [
        # The clocks of Berlin go forward at 01:00 UTC: 02:30 is skipped. The outage comes afterwards.
        ("2027-03-28T00:20:20Z", "2027-03-28T01:40:20Z", "2027-03-28T04:20:20Z"),
        # They go back at 01:00 UTC: 02:30 comes at 00:30 UTC, in the outage, and again at 01:30 UTC.
        ("2027-10-30T23:20:20Z", "2027-10-31T00:10:20Z", "2027-10-31T04:20:20Z"),
    ],
)
async def test_each_due_time_becomes_one_job_whatever_happens(
    start: str, outage_at: str, end: str, record_figure: Figures
) -> None:
    async with drilling(datetime.fromisoformat(start)) as (drill, first, tenants):
        await drill.all_tick()
        await drill.pass_until(datetime.fromisoformat(outage_at), kill=0.1)
        outage = await drill.outage()
        await drill.pass_until(datetime.fromisoformat(end), kill=0.1)
        await asyncio.gather(*(ticker.has_ticked(max(0, TICKS_MIN - ticker.ticks)) for ticker in drill.tickers))
        until = drill.now
        await drill.all_tick()
        checked = 0
        for tenant_id, first_of in zip(tenants, first, strict=True):
            for name, first_due in first_of.items():
                firings = [one for one in await drill.table.firings(tenant_id, name) if one <= until]
                jobs = [one for one in await drill.table.jobs(tenant_id, name) if one <= until]
                assert firings == expected(name, first_due, until, outage), name
                assert jobs == firings, name
                checked += len(jobs)
        assert [round(ticker.skew_s / 60) for ticker in drill.tickers] == [5, -5, 0]
        ticks = [ticker.ticks for ticker in drill.tickers]
        kills = sum(ticker.kills for ticker in drill.tickers)
        failures = sum(ticker.failures for ticker in drill.tickers)
        assert min(ticks) >= TICKS_MIN
        assert kills >= 3 + 3
        day = start[:10]
        told = f"each due time one; {ticks} ticks, {failures} cut short, clocks off by 5 min, an outage of 1 h"
        record_figure.record(f"jobs of due times over {day}", checked, tried=checked, unit=told)
        record_figure.record(f"kills of schedulers over {day}", kills)
