"""Jobs as they may stand, planted for tests in which no worker runs them."""

from dataclasses import dataclass
from uuid import UUID

from mainstay.kernel.ids import decode_id, encode_id
from mainstay.platform.jobs import JobKind, enqueue
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.queries import parse_queries

# No worker knows it, so that its jobs stay as they are.
PLANTED = JobKind("tests.planted", "planted", timeout_s=30.0)
_QUERIES = parse_queries(
    """
-- name: succeed
-- Lets a job have succeeded with a result.
UPDATE mainstay.jobs SET state = 'succeeded', finished_at = now(), result = :result
 WHERE tenant_id = :tenant_id AND id = :id
-- name: die
-- Makes a job a dead letter.
UPDATE mainstay.jobs SET state = 'dead', finished_at = now(), attempt = 1, fence = 1, error_code = 'broken',
                         error = 'It is broken.'
 WHERE tenant_id = :tenant_id AND id = :id
-- name: fail_attempt
-- Notes the attempt that ended badly.
INSERT INTO mainstay.job_attempts (tenant_id, job_id, fence, attempt, worker, started_at, outcome, error_code, error)
VALUES (:tenant_id, :id, 1, 1, 'tests', now(), 'failed', 'broken', 'It is broken.')
-- name: move
-- Puts a job into a state that asks for nothing else.
UPDATE mainstay.jobs SET state = :state, started_at = now() - interval '10 seconds', attempt = 1, fence = 1,
                         progress_done = :done, progress_total = :total,
                         worker = CASE :state WHEN 'running' THEN 'tests' END,
                         lease_expires_at = CASE :state WHEN 'running' THEN now() + interval '1 hour' END
 WHERE tenant_id = :tenant_id AND id = :id
""",
    origin="tests",
)


@dataclass(frozen=True)
class Planter:
    """Plants jobs of one principal; `database` has the rights of the schema's owner."""

    database: Database
    scope: Scope

    @classmethod
    def of(cls, database: Database, tenant_id: UUID, principal_id: str) -> "Planter":
        return cls(database, Scope(UUID(str(tenant_id)), decode_id("usr_", principal_id), sees_all=True))

    async def queued(self, kind: JobKind = PLANTED, *, delay_s: float = 3600.0, **given: object) -> str:
        """Return the id of a job that waits for its time."""
        async with self.database.write(self.scope, unaudited="a test") as tx:
            job_id = await enqueue(tx, kind, {}, request_id="tests", delay_s=delay_s, **given)
        return encode_id("job_", job_id)

    async def succeeded(self, result: object = None) -> str:
        """Return the id of a job that has succeeded."""
        return await self._changed("succeed", result=result or {"planted": True})

    async def dead(self, kind: JobKind = PLANTED, **given: object) -> str:
        """Return the id of a dead letter with one attempt in its history."""
        job_id = await self.queued(kind, **given)
        await self.kill(job_id)
        return job_id

    async def kill(self, job_id: str) -> None:
        """Make a job a dead letter with one attempt in its history."""
        async with self.database.write(self.scope, unaudited="a test") as tx:
            await tx.execute(_QUERIES["die"], id=decode_id("job_", job_id))
            await tx.execute(_QUERIES["fail_attempt"], id=decode_id("job_", job_id))

    async def in_state(self, state: str, *, done: int | None = None, total: int | None = None) -> str:
        """Return the id of a job that is running or waiting, and began ten seconds ago."""
        return await self._changed("move", state=state, done=done, total=total)

    async def _changed(self, query: str, **values: object) -> str:
        job_id = await self.queued()
        async with self.database.write(self.scope, unaudited="a test") as tx:
            await tx.execute(_QUERIES[query], id=decode_id("job_", job_id), **values)
        return job_id
