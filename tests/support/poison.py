"""Jobs that take their process with them, each in a way of its own, and the neighbours that they must leave alone."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping

from mainstay.platform.jobs import JobHandler, JobProcesses, JobRun, ProcessLimits
from tests.support.jobs import bury_with_effect, commit_effect, kind, write_effect

MEMORY_MB = 256
_MIB = 1024 * 1024
# What a poison kills where no limit of ours stands before it, in place of a kernel that is out of memory.
_KERNEL_MB = 400

Run = Callable[[JobRun], Awaitable[None]]


async def exit_at_once(run: JobRun) -> None:
    os._exit(9)


async def segfault(run: JobRun) -> None:
    ctypes.string_at(0)


async def spin(run: JobRun) -> None:
    while True:
        pass


async def eat_memory(run: JobRun) -> None:
    held: list[bytearray] = []
    for _ in range(_KERNEL_MB // 8):
        # Written to, or the kernel would only promise it.
        held.append(bytearray(b"x") * (8 * _MIB))
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


async def refuse_to_end(run: JobRun) -> None:
    async with run.checkpoint(unaudited="a test") as tx:
        await write_effect(tx, run.job_id, run.attempt, "refuses")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


async def commit_and_exit(run: JobRun) -> None:
    await commit_effect(run)
    os._exit(9)


async def be_a_neighbour(run: JobRun) -> None:
    """Hold a slot and no processor, so that slots and not the machine are what there is least of."""
    await asyncio.sleep(0.2)
    async with run.commit(unaudited="a test"):
        return


async def note_process(run: JobRun) -> None:
    async with run.commit(unaudited="a test") as tx:
        await write_effect(tx, run.job_id, run.attempt, f"pid {os.getpid()}")


async def raise_error(run: JobRun) -> None:
    raise OSError(f"nothing here in {os.getpid()}")


async def start_others(run: JobRun) -> None:
    """Leave a process behind that its handler never waits for, and say which."""
    left = await asyncio.create_subprocess_exec("sleep", "600")
    async with run.checkpoint(unaudited="a test") as tx:
        await write_effect(tx, run.job_id, run.attempt, f"left {left.pid}")
    os._exit(3)


POISONS: Mapping[str, Run] = {
    "exit": exit_at_once,
    "segfault": segfault,
    "spin": spin,
    "eat": eat_memory,
}
OTHERS: Mapping[str, Run] = {
    "refuse": refuse_to_end,
    "commit_exit": commit_and_exit,
    "pid": note_process,
    "error": raise_error,
    "orphan": start_others,
    "note": commit_effect,
    "neighbour": be_a_neighbour,
}
_INNOCENT = frozenset({"note", "neighbour"})


def poison_handlers(queue: str, *, declared: bool, timeout_s: float = 1.0) -> list[JobHandler]:
    """Return handlers for all of them; `declared` says so to the worker, which otherwise has to find out."""
    named = {**POISONS, **OTHERS}
    return [
        JobHandler(
            kind(
                name,
                queue,
                timeout_s=timeout_s,
                memory_mb_max=MEMORY_MB if declared and name == "eat" else None,
                isolated=declared and name not in _INNOCENT,
            ),
            run,
            bury_with_effect,
        )
        for name, run in named.items()
    ]


def job_processes(url: str, queue: str, limits: ProcessLimits, *, declared: bool, timeout_s: float) -> JobProcesses:
    """Return processes that run these jobs."""
    command = (sys.executable, "-m", "tests.support.poison_child", url, queue, str(int(declared)), str(timeout_s))
    return JobProcesses(command, limits)
