"""A claimed job in a worker: attempted where it belongs, and how that ended written down."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import stamina
import structlog

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import family, metrics, store
from mainstay.platform.jobs.acknowledgements import Acknowledgements
from mainstay.platform.jobs.attempt import Attempt
from mainstay.platform.jobs.burial import try_to_bury
from mainstay.platform.jobs.errors import (
    GiveUp,
    HandBack,
    Interruption,
    LeaseLost,
    LeaveAlone,
    PutOff,
    Returned,
    TryAgain,
    Verdict,
)
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import ClaimedJob, JobKind, QueueDue
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


class OtherProcesses(Protocol):
    """Where attempts run that must not run in the worker."""

    async def attempt(self, kind: JobKind, job: ClaimedJob, over: asyncio.Future[Interruption | None]) -> Verdict:
        """Return how an attempt in another process ended, or was ended by `over`; raises nothing but cancellation."""
        ...


class Execution:
    """Runs a claimed job. `run` never raises but for cancellation; `interrupt` ends the handler early."""

    def __init__(
        self,
        database: Database,
        registry: JobRegistry,
        limits: WorkerLimits,
        job: ClaimedJob,
        acknowledgements: Acknowledgements,
        *,
        on_handled: Callable[[], None],
        processes: OtherProcesses | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._limits = limits
        self._acknowledgements = acknowledgements
        self._processes = processes
        self._handler = registry[job.kind]
        self._on_handled = on_handled
        self._attempt = Attempt(database, self._handler, limits, job)
        self.job = job

    def interrupt(self, why: Interruption) -> None:
        """End the handler early for one of these reasons; only the first counts."""
        self._attempt.interrupt(why)

    async def run(self) -> None:
        """Run the handler, write down how it ended, count and log it; to be the whole of a task."""
        started = time.perf_counter()
        self._attempt.name_in_logs()
        try:
            verdict = await self._attempt_where_it_belongs()
        finally:
            self._on_handled()
        outcome = await self._record(verdict)
        await self._look_after_family(outcome)
        seconds = time.perf_counter() - started
        kind = self._handler.kind
        metrics.runs(kind.queue, kind.name, outcome).inc()
        metrics.seconds(kind.name).observe(seconds)
        # The table and the metrics tell of those that succeed; a line for each would cost more than a short job.
        note = log.debug if outcome == "succeeded" else log.info
        note("job.ended", outcome=outcome, seconds=round(seconds, 3), **_details(verdict))

    async def _attempt_where_it_belongs(self) -> Verdict:
        kind = self._handler.kind
        if self._processes is not None and (kind.needs_process or self.job.is_suspect):
            return await self._processes.attempt(kind, self.job, self._attempt.over)
        return await self._attempt.run()

    async def _look_after_family(self, outcome: str) -> None:
        """Let the parent go on if this was its last child, and this job if its children have ended already."""
        waiting = [self.job.lease.job_id] if outcome == "waiting" else []
        if self.job.parent_id is not None and outcome in ("succeeded", "cancelled"):
            waiting.append(self.job.parent_id)
        if waiting:
            await family.look_after(self._database, self.job.lease.tenant_id, waiting)

    async def _record(self, verdict: Verdict) -> str:
        """Write the verdict down, for as long as it takes the database to come back, and return it as a label."""
        match verdict:
            case Returned(committed=True):
                return "waiting" if verdict.waits else "succeeded"
            case LeaveAlone():
                return "lease_lost"
            case _:
                return await self._write_persistently(verdict)

    async def _write_persistently(self, verdict: Returned | TryAgain | PutOff | GiveUp | HandBack) -> str:
        try:
            try:
                return await self._write(verdict)
            except Unavailable:
                return await self._write_again(verdict)
        except LeaseLost:
            return "lease_lost"
        except Exception:
            # The lease is not renewed from here on, so the job is rescued: nothing is lost but time.
            log.exception("job.unrecorded")
        return "unrecorded"

    async def _write_again(self, verdict: Returned | TryAgain | PutOff | GiveUp | HandBack) -> str:
        async for attempt in stamina.retry_context(
            on=Unavailable, attempts=None, timeout=self._limits.record_s, wait_initial=0.1, wait_max=1.0
        ):
            with attempt:
                return await self._write(verdict)
        raise AssertionError("a retry without a number of attempts ends with a result or an error")

    async def _write(self, verdict: Returned | TryAgain | PutOff | GiveUp | HandBack) -> str:
        lease = self.job.lease
        match verdict:
            case HandBack():
                async with self._database.keyhole() as tx:
                    await store.hand_back(tx, [lease], [self._handler.kind.queue])
                return "handed_back"
            case Returned():
                await self._acknowledgements.finish(lease)
                return "succeeded"
            case PutOff():
                async with self._database.keyhole() as tx:
                    paused_s = await store.put_off(tx, lease, self._handler.kind.queue, verdict.pause_s)
                log.warning("queue.paused", queue=self._handler.kind.queue, seconds=round(paused_s, 3))
                return "throttled"
            case TryAgain():
                backoff_s = self._handler.kind.delay_after(self.job.attempt)
                delay_s = backoff_s if verdict.after_s is None else verdict.after_s
                async with self._database.write(lease.scope) as tx:
                    state = await store.postpone(tx, lease, delay_s=delay_s, code=verdict.code, reason=verdict.reason)
                    if state == "queued":
                        tx.after_commit(QueueDue(self._handler.kind.queue, delay_s))
            case GiveUp():
                async with self._database.write(lease.scope) as tx:
                    state = await store.fail(tx, lease, code=verdict.code, reason=verdict.reason)
        if state == "queued":
            return "retried"
        await try_to_bury(self._database, self._registry, lease)
        return state


def _details(verdict: Verdict) -> dict[str, str]:
    if isinstance(verdict, TryAgain | PutOff | GiveUp):
        return {"error_code": verdict.code, "error": verdict.reason}
    return {}
