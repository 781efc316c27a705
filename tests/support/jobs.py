"""Jobs for tests: kinds whose effect is a row, what the tables say, and workers in processes of their own."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from mainstay.platform.jobs import Children, DeadJob, JobHandler, JobKind, JobRun, WorkerLimits, enqueue
from mainstay.platform.postgres import Database, Scope, WriteTx
from mainstay.platform.postgres.queries import parse_queries

REPOSITORY = Path(__file__).parents[2]
# Only a failure waits so long.
DEADLINE_S = 60.0
# Leases of production last half a minute. Here nobody waits for the end of a long one, and the short ones are for
# workers that are killed; on a busy machine a live worker may lose those, which costs it an attempt.
QUICK = WorkerLimits(
    concurrency=4,
    lease_s=10.0,
    heartbeat_s=0.2,
    poll_s=0.05,
    rescue_s=0.1,
    drain_s=5.0,
    cancel_grace_s=0.5,
    record_s=10.0,
    burial_retry_s=0.1,
    wake_s=0.5,
)

SHORT = replace(QUICK, lease_s=1.0)

QUERIES = parse_queries(
    """
-- name: add_effect
-- What a job of the tests does.
INSERT INTO public.effects (tenant_id, job_id, attempt, note) VALUES (:tenant_id, :job_id, :attempt, :note)
""",
    origin="tests",
)

EFFECTS_TABLE = """
CREATE TABLE IF NOT EXISTS public.effects (tenant_id uuid, job_id uuid, attempt int, note text);
GRANT SELECT, INSERT ON public.effects TO PUBLIC;
"""


def kind(name: str, queue: str, **given: Any) -> JobKind:
    """Return a kind that is quick to try again."""
    return JobKind(**{"name": name, "queue": queue, "timeout_s": 30.0, "backoff_s": 0.05, **given})


async def write_effect(tx: WriteTx, job_id: UUID, attempt: int, note: str) -> None:
    await tx.execute(QUERIES["add_effect"], job_id=job_id, attempt=attempt, note=note)


async def commit_effect(run: JobRun) -> None:
    """The plainest handler: one row, in the fenced commit."""
    async with run.commit(unaudited="a test") as tx:
        await write_effect(tx, run.job_id, run.attempt, "done")


async def bury_with_effect(tx: WriteTx, dead: DeadJob) -> None:
    await write_effect(tx, dead.job_id, dead.attempt, f"dead: {dead.error_code}")
    tx.mark_audited()


async def eventually(holds: Callable[[], Awaitable[Any]], *, deadline_s: float = DEADLINE_S) -> Any:
    """Ask until the answer is true, and return it; fail after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (answer := await holds()):
        assert time.monotonic() < end, f"{holds} was still {answer!r} after {deadline_s} s"
        await asyncio.sleep(0.01)
    return answer


Result = TypeVar("Result")


async def apart(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Await as another worker would: outside the transaction that this task has open."""
    return await asyncio.create_task(coroutine, context=Context())


class JobTable:
    """What a superuser sees, for tests to check and to let time pass in."""

    def __init__(self, connection: asyncpg.Pool) -> None:
        self.connection = connection

    async def job(self, job_id: UUID) -> Mapping[str, Any]:
        row = await self.connection.fetchrow("SELECT * FROM mainstay.jobs WHERE id = $1", job_id)
        assert row is not None, f"job {job_id} is not in the table"
        return dict(row)

    async def states(self, queue: str) -> dict[str, int]:
        rows = await self.connection.fetch(
            "SELECT state, count(*) AS jobs FROM mainstay.jobs WHERE queue = $1 GROUP BY state", queue
        )
        return {row["state"]: row["jobs"] for row in rows}

    async def are_all(self, queue: str, state: str) -> bool:
        return set(await self.states(queue)) == {state}

    async def effects(self, queue: str) -> list[tuple[UUID, str]]:
        rows = await self.connection.fetch(
            "SELECT e.job_id, e.note FROM public.effects e JOIN mainstay.jobs j ON j.id = e.job_id WHERE j.queue = $1",
            queue,
        )
        return sorted((row["job_id"], row["note"]) for row in rows)

    async def take_away(self, queue: str) -> None:
        """Do what a rescue does, before a heartbeat can come between the end of the lease and it."""
        await self.connection.execute(
            "UPDATE mainstay.jobs SET state = 'queued', lease_expires_at = NULL, worker = NULL"
            " WHERE queue = $1 AND state = 'running'",
            queue,
        )

    async def make_due(self, queue: str) -> None:
        await self.connection.execute(
            "UPDATE mainstay.jobs SET run_at = now() - interval '1 second' WHERE queue = $1"
            " AND state IN ('queued', 'failed')",
            queue,
        )

    async def end_backends(self, application: str) -> int:
        return await self.connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", application
        )


async def enqueue_one(database: Database, scope: Scope, job_kind: JobKind, payload: Any = None, **given: Any) -> UUID:
    """Enqueue one job in a transaction of its own."""
    async with database.write(scope) as tx:
        return await enqueue(tx, job_kind, payload or {}, request_id="test", **given)


async def enqueue_many(database: Database, scope: Scope, job_kind: JobKind, jobs: int) -> None:
    """Enqueue jobs of one kind in one transaction, and let every one be due by the end of it."""
    async with database.write(scope) as tx:
        for _ in range(jobs):
            await enqueue(tx, job_kind, {}, request_id="test")


def child_handlers(queue: str, say: Callable[[str], None], hear: Callable[[], Awaitable[str]]) -> list[JobHandler]:
    """Return what a worker in a process of its own can do; it says lines to the test and hears lines from it."""

    async def hold(run: JobRun) -> None:
        say(f"started {run.job_id} {run.attempt}")
        try:
            await hear()
            await commit_effect(run)
        except BaseException as error:
            # Also the cancellation by a heartbeat that was quicker than the commit.
            say(f"refused {type(error).__name__}")
            raise
        say("committed")

    async def poison(run: JobRun) -> None:
        say(f"started {run.job_id} {run.attempt}")
        os._exit(9)

    async def block(run: JobRun) -> None:
        say(f"started {run.job_id} {run.attempt}")
        while True:
            pass

    async def work(run: JobRun) -> None:
        async with run.checkpoint(unaudited="a test") as tx:
            await write_effect(tx, run.job_id, run.attempt, "working")
        await asyncio.sleep(random.uniform(0, 0.03))  # noqa: S311
        await commit_effect(run)

    async def spawn(run: JobRun) -> None:
        async with run.wait_for_children(unaudited="a test") as tx:
            for _ in range(run.payload["children"]):
                await enqueue(tx, kind("work", queue, attempts_max=25), {}, request_id="test", parent=run.job_id)

    async def join(run: JobRun, children: Children) -> None:
        async with run.commit(unaudited="a test") as tx:
            await write_effect(tx, run.job_id, run.attempt, f"joined {children.counts['succeeded']}")

    return [
        JobHandler(kind("family", queue, attempts_max=25), spawn, join=join),
        JobHandler(kind("note", queue), commit_effect, bury_with_effect),
        JobHandler(kind("work", queue, attempts_max=25), work, bury_with_effect),
        JobHandler(kind("hold", queue), hold, bury_with_effect),
        JobHandler(kind("poison", queue, attempts_max=3), poison, bury_with_effect),
        JobHandler(kind("block", queue), block),
    ]


class WorkerChild:
    """A worker in a process of its own, spoken to by lines; see job_worker.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, queue: str, limits: WorkerLimits = SHORT, *, stall_s: float = 60.0) -> "WorkerChild":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.job_worker", url, queue, json.dumps(vars(limits)), str(stall_s),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=REPOSITORY,
        )  # fmt: skip
        return cls(process)

    async def hears(self, word: str) -> list[str]:
        """Wait for a line that begins with `word`, and return its other words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := (await self.process.stdout.readline()).decode():
                first, *rest = line.split()
                if first == word:
                    return rest
        raise AssertionError(f"the worker ended before it said '{word}'")

    async def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()
