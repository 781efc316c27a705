"""The ground on which a drill takes place, and how its history is judged: by another process, from a file."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import JobKind, enqueue
from mainstay.platform.postgres import Database
from tests.platform.jobs.drills.history import Kill
from tests.platform.jobs.drills.ledger import collect
from tests.platform.jobs.drills.orders import drilled_kind
from tests.support.database import DatabaseUrls
from tests.support.jobs import REPOSITORY, eventually
from tests.support.tenants import TestTenant

CONNECT_S = 30.0
_NO_ANSWER = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
_UNFINISHED = "SELECT count(*) FROM mainstay.jobs WHERE queue = $1 AND state NOT IN ('succeeded', 'dead', 'cancelled')"


@dataclass
class Ground:
    """One queue of one tenant, and what was enqueued into it and killed."""

    database: Database
    urls: DatabaseUrls
    tenant: TestTenant
    queue: str
    folder: Path
    acknowledged: list[str] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)
    poison: list[str] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)

    @asynccontextmanager
    async def superuser(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection of our own, as soon as the server answers."""
        end = time.monotonic() + CONNECT_S
        while True:
            try:
                connection = await asyncpg.connect(self.urls.superuser, timeout=5)
                break
            except _NO_ANSWER:
                assert time.monotonic() < end, f"PostgreSQL did not answer for {CONNECT_S} s"
                await asyncio.sleep(0.05)
        try:
            yield connection
        finally:
            connection.terminate()

    async def enqueue(self, count: int, kind: JobKind | None = None, *, delay_s: float = 0.0) -> list[str]:
        """Enqueue so many jobs in one transaction; of one whose end nobody told they are in doubt, and others come."""
        while True:
            ids: list[str] = []
            try:
                async with self.database.write(self.tenant.admin) as tx:
                    for _ in range(count):
                        what = kind or drilled_kind(self.queue)
                        ids.append(str(await enqueue(tx, what, {}, request_id="drill", delay_s=delay_s)))
            except Unavailable:
                self.in_doubt.extend(ids)
                await asyncio.sleep(0.05)
                continue
            self.acknowledged.extend(ids)
            return ids

    async def unfinished(self) -> int:
        async with self.superuser() as connection:
            return await connection.fetchval(_UNFINISHED, self.queue)

    async def finished(self, deadline_s: float) -> None:
        """Wait until no job waits or runs."""
        await self.shrunk(0, deadline_s)

    async def shrunk(self, jobs: int, deadline_s: float) -> None:
        """Wait until at most so many jobs wait or run."""

        async def is_done() -> bool:
            await asyncio.sleep(0.05)
            return await self.unfinished() <= jobs

        await eventually(is_done, deadline_s=deadline_s)

    async def judge(self, drill: str, lease_s: float, *, restart_slack_s: float = 5.0) -> dict[str, Any]:
        """Return the report of the checker, which must find nothing."""
        async with self.superuser() as connection:
            history = await collect(
                connection, self.queue, drill=drill, lease_s=lease_s, acknowledged=self.acknowledged,
                in_doubt=self.in_doubt, poison=self.poison, kills=self.kills, restart_slack_s=restart_slack_s,
            )  # fmt: skip
        path = self.folder / "history.json"
        history.save(path)
        checker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.platform.jobs.drills.checker", str(path),
            stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
        )  # fmt: skip
        output, _ = await checker.communicate()
        report = json.loads(output)
        found = {name: jobs[:5] for name, jobs in report["problems"].items() if jobs}
        assert checker.returncode == 0, f"{drill}: {found}"
        return report


def seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} s"


def describe(report: dict[str, Any]) -> str:
    """Return what a drill tells of itself in one line."""
    by_point: Sequence[str] = [f"{count} {point}" for point, count in sorted(report["kills"].items())]
    return (
        f"{report['drill']}: {report['jobs']:,} jobs, {report['attempts']:,} attempts, kills: {', '.join(by_point)};"
        f" {report['orphans']} orphans restarted p50 {seconds(report['restart_p50_s'])}"
        f" p99 {seconds(report['restart_p99_s'])}; 0 lost, 0 doubled, 0 stale, 0 stuck"
    )
