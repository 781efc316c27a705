"""The other side of a worker's JobProcesses: a process that claims nothing, and runs the jobs it is given one by one.

It has the lease of its worker, which keeps it; so its commits are fenced as if the worker made them.
"""

import asyncio
import faulthandler
import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs.attempt import Attempt
from mainstay.platform.jobs.errors import Verdict
from mainstay.platform.jobs.isolation import frames
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.postgres import Database

_KILLED_FIRST = "1000"


@dataclass(frozen=True)
class JobSystem:
    """What runs jobs, without a worker that claims them."""

    database: Database
    registry: JobRegistry
    limits: WorkerLimits


def main(system: Callable[[], AbstractAsyncContextManager[JobSystem]], handle: int) -> int:
    """Run the jobs that come over the socket `handle` with what `system` opens, and return the exit status."""
    _prepare_to_die()
    try:
        asyncio.run(_serve(system, handle))
    except MainstayError as error:
        print(f"mainstay job: {error.message}", file=sys.stderr)
        return 1
    return 0


def _prepare_to_die() -> None:
    """See to it that the kernel, short of memory, kills this process first, and that a crash leaves a line, no core."""
    with suppress(OSError):  # Other systems than Linux have no such file.
        Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()


async def _serve(system: Callable[[], AbstractAsyncContextManager[JobSystem]], handle: int) -> None:
    """Run one job after the other; return when the worker has gone, whatever still runs."""
    # A copy that no program inherits which the job starts: the worker takes the end of the connection for ours.
    connection = socket.socket(fileno=os.dup(handle))
    os.close(handle)
    connection.settimeout(0)
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=frames.FRAME_BYTES_MAX)
    async with system() as jobs:
        with suppress(EOFError, ConnectionError):
            await _run_jobs(jobs, reader, writer)


async def _run_jobs(jobs: JobSystem, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await frames.send(writer, "ready")
    while True:
        frame = await frames.receive(reader)
        if frame["say"] != "run":
            # An interruption that crossed with the end of its job.
            continue
        job = frames.read_job(frame["job"])
        verdict = await _run(Attempt(jobs.database, jobs.registry[job.kind], jobs.limits, job), reader)
        await frames.send(writer, "ended", **frames.verdict_fields(verdict))


async def _run(attempt: Attempt, reader: asyncio.StreamReader) -> Verdict:
    """Run an attempt and listen meanwhile, for an interruption or the end of the worker (EOFError)."""
    attempt.name_in_logs()
    running = asyncio.create_task(attempt.run())
    try:
        while True:
            hearing = asyncio.create_task(frames.receive(reader))
            try:
                await asyncio.wait({running, hearing}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    return running.result()
                attempt.interrupt(hearing.result()["why"])
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
    finally:
        running.cancel()
