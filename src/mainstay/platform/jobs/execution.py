"""One attempt at one job: its handler under a deadline, and the writing down of how it ended."""

import asyncio
import time
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import stamina
import structlog
from structlog.contextvars import bound_contextvars

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import metrics, store
from mainstay.platform.jobs.burial import try_to_bury
from mainstay.platform.jobs.errors import (
    GiveUp,
    HandBack,
    LeaseLost,
    LeaveAlone,
    Reject,
    Returned,
    TryAgain,
    Verdict,
    verdict_on,
)
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import ClaimedJob, JobKind
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)

Interruption = Literal["lease_lost", "stopping"]


class OtherProcesses(Protocol):
    """Where attempts run that must not run in the worker."""

    async def attempt(self, kind: JobKind, job: ClaimedJob, interruption: asyncio.Future[Interruption]) -> Verdict:
        """Return how an attempt in another process ended; never raises but for cancellation."""
        ...


class Execution:
    """Runs a claimed job. `run` never raises but for cancellation; `interrupt` ends the handler early."""

    def __init__(
        self,
        database: Database,
        registry: JobRegistry,
        limits: WorkerLimits,
        job: ClaimedJob,
        processes: OtherProcesses | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._limits = limits
        self._processes = processes
        self._handler = registry[job.kind]
        self._interruption: asyncio.Future[Interruption] = asyncio.get_running_loop().create_future()
        self.job = job

    def interrupt(self, why: Interruption) -> None:
        """Cancel the handler because the lease is lost or the worker stops; only the first reason counts."""
        if not self._interruption.done():
            self._interruption.set_result(why)

    async def run(self) -> None:
        """Run the handler, write down how it ended, count and log it."""
        job, started = self.job, time.perf_counter()
        with self._named_in_logs():
            verdict = await self._attempt_where_it_belongs()
            outcome = await self._record(verdict)
            seconds = time.perf_counter() - started
            metrics.RUNS.labels(job.kind, outcome).inc()
            metrics.SECONDS.labels(job.kind).observe(seconds)
            log.info("job.ended", outcome=outcome, seconds=round(seconds, 3), **_details(verdict))

    async def attempt(self) -> Verdict:
        """Run the handler in this process and return how it ended, which nobody has written down then."""
        with self._named_in_logs():
            return await self._attempt()

    def _named_in_logs(self) -> AbstractContextManager[None]:
        job = self.job
        return bound_contextvars(
            job_id=str(job.lease.job_id),
            tenant_id=str(job.lease.tenant_id),
            request_id=job.request_id,
            job_kind=job.kind,
            attempt=job.attempt,
        )

    async def _attempt_where_it_belongs(self) -> Verdict:
        kind = self._handler.kind
        if self._processes is not None and (kind.needs_process or self.job.is_suspect):
            return await self._processes.attempt(kind, self.job, self._interruption)
        return await self._attempt()

    async def _attempt(self) -> Verdict:
        try:
            run: JobRun[Any] = JobRun(self._database, self.job, self._handler.kind)
        except Reject as unreadable:
            return GiveUp(unreadable.code, unreadable.reason)
        handler = asyncio.ensure_future(self._handler.run(run))
        try:
            await asyncio.wait(
                (handler, self._interruption), timeout=self._handler.kind.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if handler.done():
                return _verdict(handler, run)
            handler.cancel()
            await asyncio.wait((handler,), timeout=self._limits.cancel_grace_s)
        finally:
            handler.cancel()
        if not handler.done():
            # The handler keeps its task, but not the lease: the job is rescued when that ends.
            log.error("job.ignores_cancellation", advice="let CancelledError leave the handler")
            return LeaveAlone()
        if run.committed or (not handler.cancelled() and handler.exception() is None):
            return Returned(committed=run.committed)
        return self._verdict_on_interruption()

    def _verdict_on_interruption(self) -> Verdict:
        if not self._interruption.done():
            return TryAgain("timeout", f"The attempt was cancelled after {self._handler.kind.timeout_s:g} s.")
        return HandBack() if self._interruption.result() == "stopping" else LeaveAlone()

    async def _record(self, verdict: Verdict) -> str:
        """Write the verdict down, for as long as it takes the database to come back, and return it as a label."""
        match verdict:
            case Returned(committed=True):
                return "succeeded"
            case LeaveAlone():
                return "lease_lost"
            case _:
                return await self._write_persistently(verdict)

    async def _write_persistently(self, verdict: Returned | TryAgain | GiveUp | HandBack) -> str:
        try:
            async for attempt in stamina.retry_context(
                on=Unavailable, attempts=None, timeout=self._limits.record_s, wait_initial=0.1, wait_max=1.0
            ):
                with attempt:
                    return await self._write(verdict)
        except LeaseLost:
            return "lease_lost"
        except Exception:
            # The lease is not renewed from here on, so the job is rescued: nothing is lost but time.
            log.exception("job.unrecorded")
        return "unrecorded"

    async def _write(self, verdict: Returned | TryAgain | GiveUp | HandBack) -> str:
        lease, scope = self.job.lease, self.job.lease.scope
        match verdict:
            case HandBack():
                async with self._database.keyhole() as tx:
                    await store.hand_back(tx, [lease], [self._handler.kind.queue])
                return "handed_back"
            case Returned():
                async with self._database.write(scope) as tx:
                    await store.finish(tx, lease)
                return "succeeded"
            case TryAgain():
                backoff_s = self._handler.kind.delay_after(self.job.attempt)
                delay_s = backoff_s if verdict.after_s is None else verdict.after_s
                async with self._database.write(scope) as tx:
                    waits = await store.postpone(tx, lease, delay_s=delay_s, code=verdict.code, reason=verdict.reason)
                if waits:
                    return "retried"
            case GiveUp():
                async with self._database.write(scope) as tx:
                    await store.fail(tx, lease, code=verdict.code, reason=verdict.reason)
        await try_to_bury(self._database, self._registry, lease)
        return "failed"


def _verdict(handler: asyncio.Future[None], run: JobRun[Any]) -> Verdict:
    """Return what the end of a handler that ended by itself means."""
    if handler.cancelled():
        error: BaseException | None = asyncio.CancelledError("the handler cancelled itself")
    else:
        error = handler.exception()
    if run.committed:
        if error is not None:
            log.warning("job.error_after_commit", exc_info=error)
        return Returned(committed=True)
    if error is None:
        return Returned(committed=False)
    verdict = verdict_on(error)
    if isinstance(verdict, TryAgain) and verdict.code == "crashed":
        log.error("job.crashed", exc_info=error)
    return verdict


def _details(verdict: Verdict) -> dict[str, str]:
    if isinstance(verdict, TryAgain | GiveUp):
        return {"error_code": verdict.code, "error": verdict.reason}
    return {}
