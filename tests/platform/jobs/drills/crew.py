"""Workers of a drill as the nemesis sees them: started, told where to stop, killed exactly there."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import asyncpg

from tests.platform.jobs.drills.history import Kill
from tests.platform.jobs.drills.ledger import orphans_of
from tests.platform.jobs.drills.orders import Orders
from tests.support.jobs import DEADLINE_S, REPOSITORY

TRIES_MAX = 30


class WorkerEnded(Exception):
    """A worker ended by itself, as one does that finds no database when it starts."""


class Crewman:
    """One worker in a process of its own. Its name, which the table has, is known when it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, orders: Orders) -> None:
        self.process = process
        self.orders = orders
        self.name = ""

    @classmethod
    async def start(cls, orders: Orders, environment: Mapping[str, str] | None = None) -> "Crewman":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.platform.jobs.drills.worker", orders.dump(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        return cls(process, orders)

    async def ready(self) -> None:
        if not self.name:
            self.name = (await self.hear("ready"))[0]

    async def hear(self, word: str, deadline_s: float = DEADLINE_S) -> list[str]:
        """Wait for a line that begins with `word`, and return its other words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(deadline_s):
            while line := (await self.process.stdout.readline()).decode():
                first, *rest = line.split()
                if first == word:
                    return rest
        raise WorkerEnded(f"worker {self.name} ended before it said '{word}'")

    async def hear_outcome(self) -> str:
        """Return how the next commit ended: `committed`, or the name of what refused it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while words := (await self.process.stdout.readline()).decode().split():
                if words[0] in ("committed", "refused"):
                    return words[1] if words[0] == "refused" else words[0]
        raise WorkerEnded(f"worker {self.name} ended before its commit did")

    async def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def kill_now(self, point: str, connection: asyncpg.Connection) -> Kill:
        """Kill it, and return what it held; `point` is where its jobs are."""
        await self.kill()
        at_s, orphans = await orphans_of(connection, self.orders.queue, self.name)
        return Kill(point, at_s, orphans)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


class Crew:
    """Some workers with the same orders; whoever is killed is replaced at once, as a supervisor would do it."""

    def __init__(self, orders: Orders, size: int, environments: Sequence[Mapping[str, str]] = ()) -> None:
        self._orders = orders
        self._environments = environments or [{}] * size
        self._size = size
        self.workers: list[Crewman] = []

    async def __aenter__(self) -> "Crew":
        for number in range(self._size):
            self.workers.append(await self._start(number))
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            await worker.kill()

    async def arm(self, turn: int, point: str, enqueue: Callable[[], Awaitable[object]]) -> None:
        """Return when a job of the worker whose turn it is has come to `point`; `enqueue` makes work for all."""
        worker = await self._ready(turn % self._size)
        await worker.say(f"arm {point}")
        for _ in range(TRIES_MAX):
            await enqueue()
            with suppress(TimeoutError):  # The others were quicker.
                await worker.hear("at", deadline_s=2.0)
                return
        raise AssertionError(f"no job of {worker.name} came to the point '{point}'")

    async def kill(self, turn: int, point: str, connection: asyncpg.Connection) -> Kill:
        """Kill the worker whose turn it is, whose jobs are at `point`."""
        number = turn % self._size
        kill = await self.workers[number].kill_now(point, connection)
        self.workers[number] = await self._start(number)
        return kill

    async def stop(self) -> None:
        """Let all end as a supervisor would, before the history is read."""
        for number in range(self._size):
            (await self._ready(number)).signal(signal.SIGTERM)
        for worker in self.workers:
            async with asyncio.timeout(DEADLINE_S):
                assert await worker.process.wait() == 0

    async def _ready(self, number: int) -> Crewman:
        """Return a worker that is ready, started again as often as it finds no database."""
        for _ in range(TRIES_MAX):
            with suppress(WorkerEnded):
                await self.workers[number].ready()
                return self.workers[number]
            await self.workers[number].kill()
            self.workers[number] = await self._start(number)
        raise AssertionError(f"worker {number} did not start in {TRIES_MAX} tries")

    async def _start(self, number: int) -> Crewman:
        return await Crewman.start(self._orders, self._environments[number])
