"""What a handler is given: the job, and transactions that only the holder of its lease can commit."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Generic
from uuid import UUID

from mainstay.kernel.errors import Invalid, invariant
from mainstay.platform.blobs import Blobs, blob_key
from mainstay.platform.jobs import family_store, store
from mainstay.platform.jobs.errors import Cancelled
from mainstay.platform.jobs.limits import PROGRESS_EVERY_S, PROGRESS_MAX, RESULT_BYTES_MAX
from mainstay.platform.jobs.models import ClaimedJob, JobKind
from mainstay.platform.jobs.payloads import PayloadT
from mainstay.platform.postgres import Database, ReadTx, Scope, WriteTx


class JobRun(Generic[PayloadT]):
    """One attempt at a job. To make one raises Reject where the stored payload does not fit the kind's type."""

    def __init__(self, database: Database, job: ClaimedJob, kind: JobKind[PayloadT]) -> None:
        self._database = database
        self._lease = job.lease
        self.tenant_id: UUID = job.lease.tenant_id
        self.principal_id: UUID = job.lease.principal_id
        self.job_id: UUID = job.lease.job_id
        self.request_id: str = job.request_id
        self.scope: Scope = job.scope
        self.payload: PayloadT = kind.payloads.read(job.payload)
        # 1 for the first; the last is equal to attempts_max.
        self.attempt: int = job.attempt
        self.attempts_max: int = job.attempts_max
        # How often a dead letter was queued again before this attempt.
        self.redrives: int = job.redrives
        self.committed: bool = False
        self.waits: bool = False
        self._result: object = None
        self._result_object: str | None = None
        # What ends within a second writes nothing of its progress but what comes with its commit.
        self._progress_at = time.monotonic()
        self._progress_left: tuple[int, int | None] | None = None

    def set_result(self, result: object) -> None:
        """Give the job a result as JSON, which `commit` keeps; raises Invalid for one of more than RESULT_BYTES_MAX."""
        # Written as the database writes it, with spaces.
        size = len(json.dumps(result, ensure_ascii=False).encode())
        if size > RESULT_BYTES_MAX:
            raise Invalid(
                f"The result of job {self.job_id} has {size} bytes, not at most {RESULT_BYTES_MAX}:"
                " keep it with `store_result` as an object."
            )
        self._result, self._result_object = result, None

    async def store_result(self, blobs: Blobs, data: bytes) -> None:
        """Put a large result into the object store, before `commit` keeps its key."""
        key = blob_key("results", self.tenant_id, self.job_id)
        await blobs.put(key, data)
        self._result, self._result_object = None, key

    async def report_progress(self, done: int, total: int | None = None) -> None:
        """Say how much of the job is done; cheap to call often, for no more than one a second is written down.

        Raises LeaseLost, or Cancelled where somebody asked for the end of the job.
        """
        most = PROGRESS_MAX if total is None else total
        if not 0 <= done <= most <= PROGRESS_MAX:
            raise Invalid(f"The progress of job {self.job_id} is {done} of {total}, not 0 to at most {PROGRESS_MAX}.")
        now = time.monotonic()
        if now - self._progress_at < PROGRESS_EVERY_S:
            self._progress_left = (done, total)
            return
        self._progress_at, self._progress_left = now, None
        async with self._database.write(self.scope, unaudited="how far a job is") as tx:
            if await store.set_progress(tx, self._lease, done, total):
                raise Cancelled

    @asynccontextmanager
    async def commit(self, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open the transaction that writes the effect of the job and, in the same commit, marks it as succeeded.

        Raises LeaseLost, and keeps nothing, when the job was given to another worker since.
        """
        invariant(not self.committed, f"Job {self.job_id} was committed already; what comes before is a checkpoint.")
        async with self._database.write(self.scope, unaudited=unaudited) as tx:
            yield tx
            # At the end, so that the row is locked for the length of a commit and not of the work.
            if self._progress_left is not None:
                await store.set_progress(tx, self._lease, *self._progress_left)
            await store.finish(tx, self._lease, result=self._result, result_object=self._result_object)
        self.committed = True

    @asynccontextmanager
    async def wait_for_children(self, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open the transaction that enqueues children with `parent=run.job_id`, and lets the job wait for them.

        When the last has ended, the `join` of the job's kind runs. Fenced like `commit`; nothing may come after it.
        """
        invariant(not self.committed, f"Job {self.job_id} was committed already; what comes before is a checkpoint.")
        async with self._database.write(self.scope, unaudited=unaudited) as tx:
            yield tx
            await family_store.wait(tx, self._lease)
        self.committed = self.waits = True

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadTx]:
        """Open a transaction that only reads, for whom the job runs."""
        async with self._database.read(self.scope) as tx:
            yield tx

    @asynccontextmanager
    async def checkpoint(self, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open a transaction that writes for the job, fenced like `commit`, and leaves the job running."""
        async with self._database.write(self.scope, unaudited=unaudited) as tx:
            yield tx
            await store.hold(tx, self._lease)
