"""The processes of a worker for jobs that must not run in it: lent to one job at a time, kept warm for the next."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import structlog

from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs import metrics
from mainstay.platform.jobs.errors import Interruption, TryAgain, Verdict, verdict_on_interruption
from mainstay.platform.jobs.isolation.memory import can_be_measured
from mainstay.platform.jobs.isolation.process import JobProcess
from mainstay.platform.jobs.limits import ProcessLimits
from mainstay.platform.jobs.models import ClaimedJob, JobKind

log = structlog.get_logger(__name__)


class JobProcesses:
    """Starts `command` for jobs, at most `limits.processes_max` at a time; leaving the context kills them all.

    None is started before a job needs it, and one after the other: a start costs a second of processor, and of the
    several suspects that a killed worker leaves, the first process has often done the next before another was up.
    The command's last argument is the number of a descriptor, on which it serves as child.py does.
    """

    def __init__(self, command: Sequence[str], limits: ProcessLimits | None = None) -> None:
        self._command = command
        self._limits = limits or ProcessLimits()
        self._places = asyncio.Semaphore(self._limits.processes_max)
        self._changed = asyncio.Condition()
        self._is_starting = False
        self._idle: dict[JobProcess, asyncio.TimerHandle] = {}
        # What has to end before the context does: processes, and starts of some that nobody waits for.
        self._ending: set[asyncio.Task[Any]] = set()
        if not can_be_measured():
            log.warning("jobs.memory_unmeasured", advice="memory_mb_max holds on Linux; here only timeouts do")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._idle or self._ending:
            for process in tuple(self._idle):
                self._retire(process, "stopped")
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def attempt(self, kind: JobKind, job: ClaimedJob, over: asyncio.Future[Interruption | None]) -> Verdict:
        """Return how an attempt in a process ended; never raises but for cancellation."""
        taking = asyncio.create_task(self._take())
        try:
            await asyncio.wait((taking, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not taking.done():
                taking.cancel()
                self._ending.add(taking)
                taking.add_done_callback(self._decline)
        if not taking.done():
            return verdict_on_interruption(over.result())
        try:
            process = taking.result()
        except (MainstayError, OSError) as error:
            return TryAgain("process_not_ready", str(error))
        try:
            return await process.attempt(kind, job, over)
        finally:
            self._give_back(process)

    async def _take(self) -> JobProcess:
        """Return a process when a place is free; cancelled, it ends what it has started."""
        await self._places.acquire()
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._idle or not self._is_starting)
                if (idle := self._take_idle()) is not None:
                    return idle
                self._is_starting = True
            try:
                process = await JobProcess.start(self._command, self._limits)
            finally:
                self._is_starting = False
                self._tell_others()
        except BaseException:
            self._places.release()
            raise
        metrics.PROCESSES.inc()
        return process

    def _take_idle(self) -> JobProcess | None:
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if process.is_fit:
                return process
            self._retire(process, "unfit")
        return None

    def _tell_others(self) -> None:
        task = asyncio.create_task(self._notify())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _decline(self, taking: asyncio.Task[JobProcess]) -> None:
        """Keep a process for others that came too late for its job."""
        self._ending.discard(taking)
        if not taking.cancelled() and taking.exception() is None:
            self._give_back(taking.result())

    def _give_back(self, process: JobProcess) -> None:
        self._places.release()
        if not process.is_fit:
            self._retire(process, "unfit")
            return
        loop = asyncio.get_running_loop()
        self._idle[process] = loop.call_later(self._limits.idle_s, self._retire, process, "idle")
        self._tell_others()

    def _retire(self, process: JobProcess, cause: str) -> None:
        timer = self._idle.pop(process, None)
        if timer is not None:
            timer.cancel()
        metrics.PROCESSES.dec()
        metrics.PROCESSES_ENDED.labels(cause).inc()
        log.info("jobs.process_ended", cause=cause, pid=process.pid)
        task = asyncio.create_task(_end(process))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _end(process: JobProcess) -> None:
    await process.end()
