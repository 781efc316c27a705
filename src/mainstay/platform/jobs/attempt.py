"""One attempt at one job in this process: its handler under a deadline, and what its end means."""

import asyncio
from typing import Any

import structlog

from mainstay.platform.jobs import family_store
from mainstay.platform.jobs.errors import (
    GiveUp,
    Interruption,
    LeaveAlone,
    Reject,
    Returned,
    TryAgain,
    Verdict,
    verdict_on,
    verdict_on_interruption,
)
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import ClaimedJob
from mainstay.platform.jobs.registry import JobHandler
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import name_task

log = structlog.get_logger(__name__)


class Attempt:
    """Runs the handler of a claimed job and says how that ended, which nobody has written down then."""

    def __init__(self, database: Database, handler: JobHandler[Any], limits: WorkerLimits, job: ClaimedJob) -> None:
        self._database = database
        self._handler = handler
        self._limits = limits
        self._job = job
        # What the run waits for: an interruption or, without one, the end of the handler or the timeout.
        self.over: asyncio.Future[Interruption | None] = asyncio.get_running_loop().create_future()

    def interrupt(self, why: Interruption) -> None:
        """End the handler early for one of these reasons; only the first counts."""
        self._end(why)

    def name_in_logs(self) -> None:
        """Have all that this task logs from now on name the job."""
        job = self._job
        name_task(
            lambda: {
                "job_id": str(job.lease.job_id),
                "tenant_id": str(job.lease.tenant_id),
                "request_id": job.request_id,
                "job_kind": job.kind,
                "attempt": job.attempt,
            }
        )

    async def run(self) -> Verdict:
        """Run the handler; never raises but for cancellation."""
        try:
            run: JobRun[Any] = JobRun(self._database, self._job, self._handler.kind)
        except Reject as unreadable:
            return GiveUp(unreadable.code, unreadable.reason)
        handler = asyncio.ensure_future(self._join(run) if self._job.joins else self._handler.run(run))
        handler.add_done_callback(lambda _: self._end())
        timer = asyncio.get_running_loop().call_later(self._handler.kind.timeout_s, self._end)
        try:
            interruption = await self.over
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
        if interruption is None:
            return TryAgain("timeout", f"The attempt was cancelled after {self._handler.kind.timeout_s:g} s.")
        return verdict_on_interruption(interruption)

    async def _join(self, run: JobRun[Any]) -> None:
        if self._handler.join is None:
            raise Reject("no_join", f"A '{self._job.kind}' job has waited for children, and its handler has no `join`.")
        async with self._database.read(run.scope) as tx:
            children = await family_store.load_children(tx, run.job_id)
        await self._handler.join(run, children)

    def _end(self, why: Interruption | None = None) -> None:
        if not self.over.done():
            self.over.set_result(why)


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
