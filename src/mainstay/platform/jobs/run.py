"""What a handler is given: the job, and transactions that only the holder of its lease can commit."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Generic
from uuid import UUID

from mainstay.kernel.errors import invariant
from mainstay.platform.jobs import store
from mainstay.platform.jobs.models import ClaimedJob, JobKind
from mainstay.platform.jobs.payloads import PayloadT
from mainstay.platform.postgres import Database, Scope, WriteTx


class JobRun(Generic[PayloadT]):
    """One attempt at a job. To make one raises Reject where the stored payload does not fit the kind's type."""

    def __init__(self, database: Database, job: ClaimedJob, kind: JobKind[PayloadT]) -> None:
        self._database = database
        self._lease = job.lease
        self.tenant_id: UUID = job.lease.tenant_id
        self.principal_id: UUID = job.lease.principal_id
        self.job_id: UUID = job.lease.job_id
        self.request_id: str = job.request_id
        self.scope: Scope = replace(job.lease.scope, request_id=job.request_id)
        self.payload: PayloadT = kind.payloads.read(job.payload)
        # 1 for the first; the last is equal to attempts_max.
        self.attempt: int = job.attempt
        self.attempts_max: int = job.attempts_max
        self.committed: bool = False

    @asynccontextmanager
    async def commit(self, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open the transaction that writes the effect of the job and, in the same commit, marks it as succeeded.

        Raises LeaseLost, and keeps nothing, when the job was given to another worker since.
        """
        invariant(not self.committed, f"Job {self.job_id} was committed already; what comes before is a checkpoint.")
        async with self._database.write(self.scope, unaudited=unaudited) as tx:
            yield tx
            # At the end, so that the row is locked for the length of a commit and not of the work.
            await store.finish(tx, self._lease)
        self.committed = True

    @asynccontextmanager
    async def checkpoint(self, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open a transaction that writes for the job, fenced like `commit`, and leaves the job running."""
        async with self._database.write(self.scope, unaudited=unaudited) as tx:
            yield tx
            await store.hold(tx, self._lease)
