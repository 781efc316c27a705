"""One attempt at one job: its handler under a deadline, and the writing down of how it ended."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

import stamina
import structlog
from structlog.contextvars import bind_contextvars

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import family, family_store, metrics, store
from mainstay.platform.jobs.acknowledgements import Acknowledgements
from mainstay.platform.jobs.burial import try_to_bury
from mainstay.platform.jobs.errors import (
    Cancelled,
    GiveUp,
    HandBack,
    LeaseLost,
    LeaveAlone,
    PutOff,
    Reject,
    Returned,
    TryAgain,
    Verdict,
    verdict_on,
)
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import ClaimedJob, QueueDue
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)

Interruption = Literal["lease_lost", "stopping", "cancelled"]


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
    ) -> None:
        self._database = database
        self._registry = registry
        self._limits = limits
        self._acknowledgements = acknowledgements
        self._handler = registry[job.kind]
        self._on_handled = on_handled
        # What the run waits for: the end of the handler, an interruption, or the timeout.
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._interruption: Interruption | None = None
        self.job = job

    def interrupt(self, why: Interruption) -> None:
        """End the handler early for one of these reasons; only the first counts."""
        if not self._over.done():
            self._interruption = why
            self._over.set_result(None)

    async def run(self) -> None:
        """Run the handler, write down how it ended, count and log it; to be the whole of a task."""
        job, started = self.job, time.perf_counter()
        bind_contextvars(
            job_id=str(job.lease.job_id),
            tenant_id=str(job.lease.tenant_id),
            request_id=job.request_id,
            job_kind=job.kind,
            attempt=job.attempt,
        )
        try:
            verdict = await self._attempt()
        finally:
            self._on_handled()
        outcome = await self._record(verdict)
        await self._look_after_family(outcome)
        seconds = time.perf_counter() - started
        metrics.RUNS.labels(self._handler.kind.queue, job.kind, outcome).inc()
        metrics.SECONDS.labels(job.kind).observe(seconds)
        # The table and the metrics tell of those that succeed; a line for each would cost more than a short job.
        note = log.debug if outcome == "succeeded" else log.info
        note("job.ended", outcome=outcome, seconds=round(seconds, 3), **_details(verdict))

    async def _attempt(self) -> Verdict:
        try:
            run: JobRun[Any] = JobRun(self._database, self.job, self._handler.kind)
        except Reject as unreadable:
            return GiveUp(unreadable.code, unreadable.reason)
        handler = asyncio.ensure_future(self._join(run) if self.job.joins else self._handler.run(run))
        handler.add_done_callback(lambda _: self._end())
        timer = asyncio.get_running_loop().call_later(self._handler.kind.timeout_s, self._end)
        try:
            await self._over
            if handler.done():
                return _verdict(handler, run)
            handler.cancel()
            await asyncio.wait((handler,), timeout=self._limits.cancel_grace_s)
        finally:
            timer.cancel()
            handler.cancel()
        if not handler.done():
            # The handler keeps its task, but not the lease: the job is rescued when that ends.
            log.error("job.ignores_cancellation", advice="let CancelledError leave the handler")
            return LeaveAlone()
        if run.committed or (not handler.cancelled() and handler.exception() is None):
            return Returned(committed=run.committed, waits=run.waits)
        return self._verdict_on_interruption()

    async def _join(self, run: JobRun[Any]) -> None:
        if self._handler.join is None:
            raise Reject("no_join", f"A '{self.job.kind}' job has waited for children, and its handler has no `join`.")
        async with self._database.read(run.scope) as tx:
            children = await family_store.load_children(tx, run.job_id)
        await self._handler.join(run, children)

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _verdict_on_interruption(self) -> Verdict:
        if self._interruption is None:
            return TryAgain("timeout", f"The attempt was cancelled after {self._handler.kind.timeout_s:g} s.")
        match self._interruption:
            case "stopping":
                return HandBack()
            case "cancelled":
                return verdict_on(Cancelled())
            case _:
                return LeaveAlone()

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
        lease, scope = self.job.lease, self.job.lease.scope
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
                async with self._database.write(scope) as tx:
                    state = await store.postpone(tx, lease, delay_s=delay_s, code=verdict.code, reason=verdict.reason)
                    if state == "queued":
                        tx.after_commit(QueueDue(self._handler.kind.queue, delay_s))
            case GiveUp():
                async with self._database.write(scope) as tx:
                    state = await store.fail(tx, lease, code=verdict.code, reason=verdict.reason)
        if state == "queued":
            return "retried"
        await try_to_bury(self._database, self._registry, lease)
        return state


def _verdict(handler: asyncio.Future[None], run: JobRun[Any]) -> Verdict:
    """Return what the end of a handler that ended by itself means."""
    if handler.cancelled():
        error: BaseException | None = asyncio.CancelledError("the handler cancelled itself")
    else:
        error = handler.exception()
    if run.committed:
        if error is not None:
            log.warning("job.error_after_commit", exc_info=error)
        return Returned(committed=True, waits=run.waits)
    if error is None:
        return Returned(committed=False)
    verdict = verdict_on(error)
    if isinstance(verdict, TryAgain) and verdict.code == "crashed":
        log.error("job.crashed", exc_info=error)
    return verdict


def _details(verdict: Verdict) -> dict[str, str]:
    if isinstance(verdict, TryAgain | PutOff | GiveUp):
        return {"error_code": verdict.code, "error": verdict.reason}
    return {}
