"""PgQueuer in the form that its pages on tuning and benchmarks recommend: asyncpg, batches of 100, uvloop."""

import asyncio
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from bench.actions import serve

_BATCH = 100


class PgQueuer:
    """One process with some queue managers, each on a connection of its own."""

    async def open(self, url: str, managers: int, install: bool) -> None:
        """Connect, and make the tables in the first process."""
        self.url = url
        self.connection = await asyncpg.connect(url)
        self.queries = Queries(AsyncpgDriver(self.connection))
        if install:
            await self.queries.install()
        self.managers = managers

    async def fill(self, name: str, jobs: int) -> None:
        """Queue jobs."""
        for start in range(0, jobs, 1_000):
            count = min(1_000, jobs - start)
            await self.queries.enqueue([name] * count, [None] * count, [0] * count)
        await self.connection.execute("VACUUM (ANALYZE) pgqueuer")

    async def has_more(self) -> bool:
        """Return whether a job waits or runs."""
        return await self.connection.fetchval("SELECT EXISTS (SELECT FROM pgqueuer)")

    async def start(self) -> None:
        """Begin to work."""
        self.running: list[QueueManager] = []
        self.working: list[asyncio.Task[None]] = []
        for _ in range(self.managers):
            manager = QueueManager(Queries(AsyncpgDriver(await asyncpg.connect(self.url))))

            @manager.entrypoint("noop")
            async def noop(_: Job) -> None:
                return

            self.running.append(manager)
            self.working.append(
                asyncio.create_task(manager.run(batch_size=_BATCH, dequeue_timeout=timedelta(seconds=1)))
            )

    async def stop(self) -> None:
        """Stop in its own way."""
        for manager in self.running:
            manager.shutdown.set()
        await asyncio.gather(*self.working)


if __name__ == "__main__":
    uvloop.run(serve(PgQueuer()))
