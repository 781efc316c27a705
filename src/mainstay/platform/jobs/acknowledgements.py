"""Ends of jobs that wrote nothing themselves, written down together.

Batches make themselves: one is written at a time, and the next takes all that ended meanwhile. A lone job waits for
nobody, and a thousand short ones share a commit.
"""

import asyncio
from contextvars import Context
from uuid import UUID

from mainstay.platform.jobs import store
from mainstay.platform.jobs.errors import lease_lost
from mainstay.platform.jobs.limits import FINISHES_MAX
from mainstay.platform.jobs.models import Lease
from mainstay.platform.postgres import Database


class Acknowledgements:
    """Marks the jobs of one worker as succeeded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # What the batch that nobody writes yet is to hold, and the task that writes it when its turn has come.
        self._gathered: list[Lease] = []
        self._batch: asyncio.Task[frozenset[UUID]] | None = None

    async def finish(self, lease: Lease) -> None:
        """Mark a job as succeeded and return once that is durable.

        Raises LeaseLost if the job is another worker's by now, and Unavailable if nothing could be written: then it may
        be tried again, and what was written after all is not written twice.
        """
        if self._batch is None or self._batch.done() or not 0 < len(self._gathered) < FINISHES_MAX:
            self._gathered = []
            # Outside the caller's context: what is logged there belongs to one job, and this is about many.
            self._batch = asyncio.create_task(
                self._write(self._gathered, self._batch), name="jobs.finish", context=Context()
            )
        self._gathered.append(lease)
        # A job that is given up must not take the others' batch with it.
        if lease.job_id not in await asyncio.shield(self._batch):
            raise lease_lost(lease)

    async def _write(self, leases: list[Lease], before: asyncio.Task[frozenset[UUID]] | None) -> frozenset[UUID]:
        if before is not None:
            await asyncio.wait((before,))
        async with self._database.keyhole_statements() as tx:
            closed = leases[:]
            leases.clear()
            return await store.finish_many(tx, closed)
