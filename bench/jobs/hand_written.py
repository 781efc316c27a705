"""What one would write by hand, as a measured system: no lease, no fence, no retry, no fairness.

`row` has the transactions that our jobs have whose effect is a row: a batch is claimed, and each job's effect and end
share a commit. `noop` claims a hundred and ends a hundred, and is as fast as a table can be worked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg

from bench.actions import serve
from mainstay.platform.postgres import Scope
from tests.support.database import set_scope

TABLE = """
CREATE TABLE public.loop_jobs (id uuid PRIMARY KEY, payload jsonb NOT NULL, state text NOT NULL DEFAULT 'queued',
                               run_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX loop_jobs_queued ON public.loop_jobs (run_at, id) WHERE state = 'queued';
GRANT ALL ON public.loop_jobs TO PUBLIC;
"""
_CLAIM = """
UPDATE public.loop_jobs SET state = 'running'
 WHERE id IN (SELECT id FROM public.loop_jobs WHERE state = 'queued' AND run_at <= now()
               ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_EFFECT = "INSERT INTO public.effects (tenant_id, job_id, attempt, note) VALUES ($1, $2, 1, 'done')"
_BATCH = 100
_IDLE_S = 0.01


class HandWritten:
    """One process with a pool of connections."""

    async def open(self, urls: Sequence[str], tenant_id: str, principal_id: str, slots: int, name: str) -> None:
        """Connect; `urls` are the superuser's and the runtime role's."""
        self.superuser = await asyncpg.connect(urls[0])
        self.pool = await asyncpg.create_pool(urls[1], min_size=slots, max_size=slots)
        self.scope = Scope(UUID(tenant_id), UUID(principal_id), sees_all=True)
        self.slots = slots
        self.name = name

    async def fill(self, name: str, jobs: int) -> None:
        """Queue jobs, all at once."""
        assert name == self.name
        await self.superuser.execute(
            "INSERT INTO public.loop_jobs (id, payload) SELECT uuidv7(), '{}' FROM generate_series(1, $1::int)", jobs
        )
        await self.superuser.execute("VACUUM (ANALYZE) public.loop_jobs")

    async def has_more(self) -> bool:
        """Return whether a job waits or runs."""
        return await self.superuser.fetchval("SELECT EXISTS (SELECT FROM public.loop_jobs WHERE state <> 'done')")

    async def start(self) -> None:
        """Begin to work."""
        if self.name == "row":
            self.working = [asyncio.create_task(self._work_rows())]
        else:
            self.working = [asyncio.create_task(self._work_batches()) for _ in range(2)]

    async def stop(self) -> None:
        """Stop."""
        for task in self.working:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work_batches(self) -> None:
        while True:
            claimed = [row["id"] for row in await self.pool.fetch(_CLAIM, _BATCH)]
            if claimed:
                await self.pool.execute("UPDATE public.loop_jobs SET state = 'done' WHERE id = ANY ($1)", claimed)
            else:
                await asyncio.sleep(_IDLE_S)

    async def _work_rows(self) -> None:
        while True:
            claimed = [row["id"] for row in await self.pool.fetch(_CLAIM, self.slots)]
            await asyncio.gather(*(self._do(job_id) for job_id in claimed))
            if not claimed:
                await asyncio.sleep(_IDLE_S)

    async def _do(self, job_id: UUID) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await set_scope(connection, self.scope)
            await connection.execute(_EFFECT, self.scope.tenant_id, job_id)
            await connection.execute("UPDATE public.loop_jobs SET state = 'done' WHERE id = $1", job_id)


if __name__ == "__main__":
    asyncio.run(serve(HandWritten()))
