"""One process for jobs as its worker sees it: started, given a job, watched, killed alone."""

import asyncio
import signal
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs.errors import Interruption, LeaveAlone, TryAgain, Verdict, verdict_on_interruption
from mainstay.platform.jobs.isolation import frames
from mainstay.platform.jobs.isolation.memory import held_bytes
from mainstay.platform.jobs.limits import ProcessLimits
from mainstay.platform.jobs.models import ClaimedJob, JobKind
from mainstay.platform.processes.child import ChildOptions, ChildProcess

MIB = 1024 * 1024
_CLEAR_S = 5.0
_SIGNALS_IN_WORDS = {
    signal.SIGKILL: "SIGKILL: the kernel was short of memory, or a person did it",
    signal.SIGSEGV: "SIGSEGV: native code touched memory that is not its own",
    signal.SIGABRT: "SIGABRT: native code gave up",
    signal.SIGBUS: "SIGBUS: a file that it had mapped became shorter, or memory is broken",
}


class ProcessNotReady(Unavailable):
    """The process for a job ended, or was ended, before it could be given one."""

    code = "process_not_ready"


class JobProcess:
    """A process that runs one job at a time. `is_fit` tells whether it may have another after a verdict."""

    def __init__(self, child: ChildProcess, connection: socket.socket, limits: ProcessLimits) -> None:
        self._child = child
        self._connection = connection
        self._limits = limits
        self._reader = asyncio.StreamReader(limit=frames.FRAME_BYTES_MAX)
        self._writer: asyncio.StreamWriter | None = None
        self._ready_bytes = 0
        self._bytes_max = limits.undeclared_memory_mb_max * MIB
        self._jobs = 0
        self._answered = True
        self.pid = child.pid

    @classmethod
    async def start(cls, command: Sequence[str], limits: ProcessLimits) -> Self:
        """Start `command`, with the number of its connection behind it; raises ProcessNotReady, or OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            options = ChildOptions(
                log=None,
                folder=Path.cwd(),
                # Its writes are fenced: it may be cut at any point.
                death_signal=signal.SIGKILL,
                environment=None,
                handles=(theirs.fileno(),),
            )
            # From the thread of the loop, which stays: the death signal is tied to it.
            child = ChildProcess([*command, str(theirs.fileno())], options)
        process = cls(child, ours, limits)
        try:
            async with asyncio.timeout(limits.start_s):
                await process._connect()
        except asyncio.CancelledError:
            await process.end()
            raise
        except (EOFError, OSError, ValueError) as error:
            late = f"it was not ready after {limits.start_s:g} s" if isinstance(error, TimeoutError) else None
            how = late or describe(await asyncio.to_thread(child.wait, limits.answer_s))
            await process.end()
            raise ProcessNotReady(f"No process for the job could be had: {how}; the worker's log has more.") from error
        return process

    async def _connect(self) -> None:
        self._connection.settimeout(0)
        self._reader, self._writer = await asyncio.open_unix_connection(
            sock=self._connection, limit=frames.FRAME_BYTES_MAX
        )
        await frames.receive(self._reader)
        self._ready_bytes = held_bytes(self.pid)

    @property
    def is_fit(self) -> bool:
        """Whether it answered as it should, lives, and has not grown old or fat."""
        grown = held_bytes(self.pid) - self._ready_bytes
        return (
            self._answered
            and not self._child.has_ended()
            and self._jobs < self._limits.jobs_max
            and grown <= self._limits.growth_mb_max * MIB
        )

    async def attempt(self, kind: JobKind, job: ClaimedJob, over: asyncio.Future[Interruption | None]) -> Verdict:
        """Return how the attempt ended; where the process had to be killed, or died, that is the verdict.

        Cancelled, it leaves a process that is not fit.
        The process ends the attempt itself at the kind's timeout, and is killed where it does not.
        """
        self._jobs += 1
        self._answered = False
        megabytes = kind.memory_mb_max or self._limits.undeclared_memory_mb_max
        self._bytes_max = megabytes * MIB
        answer = asyncio.create_task(self._ask(job))
        trouble = asyncio.create_task(self._watch())
        try:
            await self._wait((answer, trouble, over), kind.timeout_s + self._limits.answer_s)
            if over.done() and not answer.done() and not trouble.done():
                with suppress(OSError):  # Its end is for the watch to tell.
                    await frames.send(self._require_writer(), "interrupt", why=over.result())
                await self._wait((answer, trouble), self._limits.answer_s)
            if answer.done() and (verdict := _read(answer)) is not None:
                self._answered = not isinstance(verdict, LeaveAlone)
                return verdict if self._answered else await self._kill(kind, over)
            held = trouble.result() if trouble.done() else None
            if held is None and (answer.done() or trouble.done()):
                # The connection ends a moment before the process does, and its own end tells more than ours of it.
                await self._wait((trouble,), self._limits.answer_s)
                return TryAgain("crashed_process", f"The job's process ended before the job did: {await self.end()}.")
            return await self._kill(kind, over, held)
        finally:
            answer.cancel()
            trouble.cancel()

    async def end(self) -> str:
        """Kill it and what it started, and return how it ended in words."""
        status = await asyncio.to_thread(self._child.clear, _CLEAR_S)
        if self._writer is not None:
            self._writer.close()
        self._connection.close()
        return describe(status)

    async def _kill(self, kind: JobKind, over: asyncio.Future[Interruption | None], held: int | None = None) -> Verdict:
        await self.end()
        if held is not None:
            return TryAgain(
                "killed_memory",
                f"The job held {held / MIB:.0f} MB, more than the {self._bytes_max // MIB} MB it may have:"
                " its process was killed.",
            )
        if over.done():
            # What it committed in its last moment stands, and then the job is nobody's to hand back.
            return verdict_on_interruption(over.result())
        return TryAgain(
            "timeout", f"The attempt did not end when it was cancelled after {kind.timeout_s:g} s: it was killed."
        )

    async def _ask(self, job: ClaimedJob) -> Verdict:
        await frames.send(self._require_writer(), "run", job=frames.job_fields(job))
        return frames.read_verdict(await frames.receive(self._reader))

    async def _watch(self) -> int | None:
        """Return None when the process has ended, or what it holds when that is too much."""
        while not self._child.has_ended():
            held = held_bytes(self.pid)
            if held > self._bytes_max:
                return held
            await asyncio.sleep(self._limits.look_s)
        return None

    @staticmethod
    async def _wait(futures: Iterable[asyncio.Future[Any]], timeout_s: float) -> None:
        await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    def _require_writer(self) -> asyncio.StreamWriter:
        if self._writer is None:
            raise ConnectionError("the process was never connected")
        return self._writer


def _read(answer: asyncio.Task[Verdict]) -> Verdict | None:
    """Return the verdict, or None where the process ended or spoke nonsense instead."""
    error = answer.exception()
    if error is None:
        return answer.result()
    if isinstance(error, EOFError | OSError | ValueError):
        return None
    raise error


def describe(status: int | None) -> str:
    """Return an exit status in words."""
    if status is None:
        return "it does not end, although it was killed"
    if status >= 0:
        return f"it ended itself with exit status {status}"
    try:
        number = signal.Signals(-status)
    except ValueError:
        return f"it was ended by signal {-status}"
    return f"it was ended by {_SIGNALS_IN_WORDS.get(number, number.name)}"
