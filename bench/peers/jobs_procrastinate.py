"""Procrastinate with its asynchronous connector and worker; notifications are on, as by default."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from procrastinate import App, PsycopgConnector

from bench.actions import serve

_LEFT = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"


class Procrastinate:
    """One process with one worker."""

    async def open(self, url: str, slots: int, install: bool) -> None:
        """Connect, and make the tables in the first process."""
        self.app = App(connector=PsycopgConnector(conninfo=url, min_size=4, max_size=slots + 4))
        await self.app.open_async()
        if install:
            await self.app.schema_manager.apply_schema_async()
        self.slots = slots
        self.connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        self.started = asyncio.Event()

        @self.app.task(name="noop")
        async def noop() -> None:
            return

        @self.app.task(name="note")
        async def note() -> None:
            self.started.set()

        self.noop, self.note = noop, note

    async def fill(self, name: str, jobs: int) -> None:
        """Queue jobs, all at once."""
        assert name == "noop"
        await self.noop.batch_defer_async(*({} for _ in range(jobs)))
        await self.connection.execute("VACUUM (ANALYZE) procrastinate_jobs")

    async def has_more(self) -> bool:
        """Return whether a job waits or runs."""
        row = await (await self.connection.execute(_LEFT)).fetchone()
        return bool(row and row[0])

    async def start(self) -> None:
        """Begin to work."""
        self.working = asyncio.create_task(
            self.app.run_worker_async(concurrency=self.slots, install_signal_handlers=False)
        )

    async def stop(self) -> None:
        """Stop in its own way."""
        self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working

    async def pickups(self, jobs: int) -> Sequence[float]:
        """Return seconds from the commit of an enqueue to the start of its task, one job after the other."""
        await self.start()
        found: list[float] = []
        for _ in range(jobs + 1):
            self.started.clear()
            await self.note.defer_async()
            committed = time.perf_counter()
            await self.started.wait()
            found.append(time.perf_counter() - committed)
        await self.stop()
        return found[1:]


if __name__ == "__main__":
    asyncio.run(serve(Procrastinate()))
