"""Ends of jobs that wrote nothing themselves, written down together.

Batches make themselves: one is written at a time, and the next takes all that ended meanwhile. A lone job waits for
nobody, and a thousand short ones share a commit.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context

from mainstay.platform.jobs import store
from mainstay.platform.jobs.errors import lease_lost
from mainstay.platform.jobs.limits import FINISHES_MAX
from mainstay.platform.jobs.models import Lease
from mainstay.platform.postgres import Database


class Acknowledgements:
    """Marks the jobs of one worker as succeeded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Lease, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def finish(self, lease: Lease) -> None:
        """Mark a job as succeeded and return once that is durable.

        Raises LeaseLost if the job is another worker's by now, and what keeps the database from writing: then it may be
        tried again, and what was written after all is not written twice.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((lease, written))
        if self._writing is None:
            # Outside the caller's context: what is logged there belongs to one job, and this is about many.
            self._writing = asyncio.create_task(self._write_all(), name="jobs.finish", context=Context())
        await written

    async def _write_all(self) -> None:
        # Whoever ends in the same turn of the loop is in the same batch.
        await asyncio.sleep(0)
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:FINISHES_MAX], self._waiting[FINISHES_MAX:]
                await self._write(batch)
        finally:
            self._writing = None

    async def _write(self, batch: Sequence[tuple[Lease, asyncio.Future[None]]]) -> None:
        try:
            async with self._database.keyhole_statements() as tx:
                finished = await store.finish_many(tx, [lease for lease, _ in batch])
        except Exception as error:  # noqa: BLE001 (each waiter raises it)
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
            return
        for lease, written in batch:
            if written.done():
                continue
            if lease.job_id in finished:
                written.set_result(None)
            else:
                written.set_exception(lease_lost(lease.job_id, lease.fence))
