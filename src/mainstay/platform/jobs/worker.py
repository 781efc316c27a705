"""The worker: claims jobs while it has free slots, keeps their leases, and hands back what a stop leaves undone."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

import stamina
import structlog

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import family, metrics, store
from mainstay.platform.jobs.acknowledgements import Acknowledgements
from mainstay.platform.jobs.burial import bury_due
from mainstay.platform.jobs.depth import measure_depth
from mainstay.platform.jobs.duties import Duty, repeat, wait_for
from mainstay.platform.jobs.execution import Execution, OtherProcesses
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.lines import Lines
from mainstay.platform.jobs.models import ClaimedJob
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.jobs.wakeups import Wakeups
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)

CLAIM_BACKOFF_S_MAX = 5.0
# How long a claim waits for most slots to come free, where more jobs wait than there are slots.
GATHER_S = 0.02


class Worker:
    """Runs jobs of the kinds in `registry`, at most `limits.concurrency` at a time, and `duties` beside them.

    Every worker rescues, buries and counts; there is no leader. The pool of `database` should have two connections
    more than there are slots, so that leases are renewed while every job commits. `on_beat` is called at every
    heartbeat, for a watchdog of the process. Jobs that must not run in the worker, and those that may have killed
    one, run in `processes`; without any, a suspect runs like its neighbours.
    """

    def __init__(
        self,
        database: Database,
        registry: JobRegistry,
        limits: WorkerLimits | None = None,
        *,
        wakeups: Wakeups | None = None,
        duties: Iterable[Duty] = (),
        on_beat: Callable[[], None] | None = None,
        processes: OtherProcesses | None = None,
    ) -> None:
        if processes is None and registry.isolated_kinds:
            raise ValueError(f"Worker: {registry.isolated_kinds} need processes of their own; give it `processes`")
        self._database = database
        self._processes = processes
        self._registry = registry
        self._limits = limits or WorkerLimits()
        self._wakeups = wakeups or Wakeups()
        self._stopping = False
        self._unclaimed: str | None = "It has not looked for jobs yet."
        self._on_beat = on_beat
        self._woken = asyncio.Event()
        self._slot_freed = asyncio.Event()
        self._running: dict[asyncio.Task[None], Execution] = {}
        # How many of them have a slot: their handler has not ended yet.
        self._handling = 0
        # The last claim found work for half of its slots or more, so that more of it waits.
        self._backlogged = False
        self._acknowledgements = Acknowledgements(database)
        self._lines = Lines()
        self.name = f"{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._duties = (
            Duty("jobs.rescue", self._limits.rescue_s, self._rescue),
            Duty("jobs.burials", self._limits.rescue_s, self._bury),
            Duty("jobs.depth", self._limits.depth_s, self._measure),
            Duty("jobs.waiting", self._limits.wake_s, self._look_at_families),
            *duties,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let running jobs end for `drain_s` and hand the others back.

        Cancelled, it hands back all of them at once.
        """
        metrics.SLOTS_TAKEN.set_function(lambda: self._handling)
        log.info("worker.started", worker=self.name, queues=self._registry.queues, kinds=self._registry.kinds)
        drained = asyncio.Event()
        heartbeat = Duty("jobs.heartbeat", self._limits.heartbeat_s, self._beat, timeout_s=self._limits.heartbeat_s)
        background = [asyncio.create_task(repeat(duty, stop), name=duty.name) for duty in self._duties]
        cancellations = Duty("jobs.cancellations", self._limits.cancel_s, self._interrupt_cancelled)
        to_the_end = (heartbeat, cancellations)
        background += [asyncio.create_task(repeat(duty, drained), name=duty.name) for duty in to_the_end]
        background.append(asyncio.create_task(self._wake_on(stop), name="jobs.stop"))
        listening = asyncio.create_task(self._wakeups.listen(self._wake), name="jobs.wakeups")
        listening.add_done_callback(_report_broken_wakeups)
        background.append(listening)
        try:
            await self._take_jobs(stop)
            await self._drain(self._limits.drain_s)
        except asyncio.CancelledError:
            # Somebody is in a hurry, but a job that is handed back now need not wait for the end of its lease.
            await self._drain(0)
            raise
        finally:
            drained.set()
            left = [*background, *self._running]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            log.info("worker.stopped", worker=self.name)

    async def missing(self) -> Mapping[str, str]:
        """Return what keeps this worker from taking jobs, a sentence each by name; nothing where it is ready."""
        missing: dict[str, str] = {}
        if self._stopping:
            missing["stopping"] = "It lets its jobs end and takes no other."
        if self._unclaimed is not None:
            missing["claims"] = self._unclaimed
        try:
            await self._database.ping()
        except Unavailable as error:
            missing["database"] = error.message
        return missing

    async def _take_jobs(self, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                free = await self._gather_slots(stop)
                # Before the claim and not after it: what is queued meanwhile must not be slept over.
                self._woken.clear()
                self._wakeups.claiming(free)
                if not free:
                    await wait_for(self._woken, self._limits.poll_s)
                    continue
                jobs = await self._claim(free)
            except Exception as error:  # noqa: BLE001 (logged; a worker outlives whatever a claim meets)
                failures += 1
                self._unclaimed = f"The last {failures} claims failed with {type(error).__name__}; see the log."
                _log_claim_failure(error, failures)
                await wait_for(stop, _backoff_s(failures))
                continue
            failures, self._unclaimed = 0, None
            self._backlogged = 2 * len(jobs) >= free
            if jobs or self._lines.looked_at_all:
                self._wakeups.claimed({job.lease.job_id: self._registry[job.kind].kind.queue for job in jobs})
            for job in jobs:
                self._start(job)
            if not jobs:
                await wait_for(self._woken, self._lines.look_due_s(self._limits.poll_s))

    async def _claim(self, count_max: int) -> Sequence[ClaimedJob]:
        # One statement, so that the locks of queues that have rules end with it, whatever becomes of this process.
        async with self._database.keyhole_statements() as tx:
            leases = await store.claim(
                tx,
                queues=self._registry.queues,
                kinds=self._registry.kinds,
                worker=self.name,
                count_max=count_max,
                lease_s=self._limits.lease_s,
                rules=self._registry.rules,
                lines=self._lines,
            )
        return await store.load(self._database, leases) if leases else ()

    def _free_slots(self) -> int:
        """Return how many jobs may be claimed; one whose end is still being written down keeps no other waiting.

        As many as there are slots may be in that state, so that a database that does not answer ends the claims, too.
        """
        slots = self._limits.concurrency
        return min(slots - self._handling, 2 * slots - len(self._running))

    async def _gather_slots(self, stop: asyncio.Event) -> int:
        """Return how many slots are free, in a backlog after a short wait: to claim one job costs as much as ten."""
        ends_at = asyncio.get_running_loop().time() + GATHER_S
        while self._backlogged and 0 < self._free_slots() < self._limits.concurrency * 3 // 4 and not stop.is_set():
            left_s = ends_at - asyncio.get_running_loop().time()
            if left_s <= 0 or not await wait_for(self._slot_freed, left_s):
                break
            self._slot_freed.clear()
        return self._free_slots()

    def _start(self, job: ClaimedJob) -> None:
        execution = Execution(
            self._database,
            self._registry,
            self._limits,
            job,
            self._acknowledgements,
            on_handled=self._handled,
            processes=self._processes,
        )
        task = asyncio.create_task(execution.run(), name=f"job:{job.kind}")
        self._running[task] = execution
        self._handling += 1
        task.add_done_callback(self._ended)

    def _handled(self) -> None:
        self._handling -= 1
        self._slot_freed.set()
        self._woken.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._wakeups.ended(self._running.pop(task).job.lease.job_id)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job.execution_broke", exc_info=error)

    async def _drain(self, drain_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=drain_s)
        for execution in self._running.values():
            execution.interrupt("stopping")
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.cancel_grace_s + self._limits.record_s)

    async def _beat(self) -> None:
        if self._on_beat is not None:
            self._on_beat()
        running = tuple(self._running.values())
        if not running:
            return
        leases = [execution.job.lease for execution in running]
        # Without an end of its own: the duty's timeout is one.
        async for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=None, wait_max=1.0):
            with attempt:
                async with self._database.keyhole() as tx:
                    held = await store.renew(tx, leases, self._limits.lease_s)
                for execution in running:
                    if execution.job.lease.job_id not in held:
                        execution.interrupt("lease_lost")

    async def _interrupt_cancelled(self) -> None:
        running = tuple(self._running.values())
        if not running:
            return
        async with self._database.keyhole() as tx:
            unwanted = await store.jobs_to_cancel(tx, [execution.job.lease for execution in running])
        for execution in running:
            if execution.job.lease.job_id in unwanted:
                execution.interrupt("cancelled")

    async def _rescue(self) -> None:
        async with self._database.keyhole() as tx:
            rescued = await store.rescue(tx)
            for queue in {job.queue for job in rescued}:
                await store.notify(tx, queue)
        for job in rescued:
            metrics.RESCUED.labels(job.queue, job.state).inc()
            ids = {"job_id": str(job.job_id), "tenant_id": str(job.tenant_id)}
            log.warning("job.rescued", **ids, queue=job.queue, state=job.state)
        if any(job.state != "queued" for job in rescued):
            await self._bury()

    async def _bury(self) -> None:
        await bury_due(self._database, self._registry, self._limits)

    async def _look_at_families(self) -> None:
        await family.look_at_all(self._database)

    async def _measure(self) -> None:
        await measure_depth(self._database, self._registry.queues)

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._wakeups.stopping()
        self._woken.set()

    def _wake(self, queue: str | None) -> None:
        if queue is None or queue in self._registry.queues:
            self._woken.set()


def _backoff_s(failures: int) -> float:
    return random.uniform(0, min(CLAIM_BACKOFF_S_MAX, 0.1 * 2 ** min(failures, 10)))  # noqa: S311


def _report_broken_wakeups(listening: asyncio.Task[None]) -> None:
    if not listening.cancelled() and (error := listening.exception()) is not None:
        # Jobs are still found by looking.
        log.error("worker.wakeups_broke", exc_info=error)


def _log_claim_failure(error: Exception, failures: int) -> None:
    if isinstance(error, Unavailable):
        log.warning("worker.database_unavailable", failures=failures, reason=error.message)
    else:
        log.error("worker.claim_failed", failures=failures, exc_info=error)
