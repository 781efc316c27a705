"""Jobs over HTTP: `/v1/jobs`."""

from collections.abc import Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from mainstay.control.access.door import Permitted
from mainstay.control.operations import service
from mainstay.control.operations.errors import NoResult
from mainstay.control.operations.models import JobState
from mainstay.control.operations.schemas import (
    JobDetailObject,
    JobObject,
    QueueStatsObject,
    RedriveMany,
    RedrivenObject,
)
from mainstay.kernel.ids import decode_id
from mainstay.platform.blobs import Blobs
from mainstay.platform.http import Listing, ListObject, answers_bytes
from mainstay.platform.jobs import look_after
from mainstay.platform.postgres import Database

NameFilter = Annotated[str | None, Query(min_length=1, max_length=64)]


class JobRoutes:
    """The routes of jobs."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def router(self) -> APIRouter:
        """Return the routes to be mounted."""
        router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
        router.add_api_route("", self.list, methods=["GET"], summary="List jobs")
        router.add_api_route("/stats", self.stats, methods=["GET"], summary="Read how the queues stand")
        router.add_api_route("/redrive", self.redrive_many, methods=["POST"], summary="Redrive dead letters")
        router.add_api_route("/{job_id}", self.read, methods=["GET"], summary="Read a job")
        router.add_api_route(
            "/{job_id}/content",
            self.content,
            methods=["GET"],
            summary="Read a job's result",
            response_class=StreamingResponse,
            responses=answers_bytes(),
        )
        router.add_api_route("/{job_id}/cancel", self.cancel, methods=["POST"], summary="Cancel a job")
        router.add_api_route("/{job_id}/retry", self.retry, methods=["POST"], summary="Run a queued job now")
        router.add_api_route("/{job_id}/redrive", self.redrive, methods=["POST"], summary="Redrive a dead letter")
        return router

    async def list(
        self,
        caller: Permitted,
        listing: Listing,
        state: JobState | None = None,
        queue: NameFilter = None,
        kind: NameFilter = None,
        parent: str | None = None,
    ) -> ListObject[JobObject]:
        """List jobs, newest first: of a state, a queue, a kind, or the children of a parent where asked."""
        request = listing.page("job_")
        parent_id = decode_id("job_", parent) if parent else None
        states: Sequence[JobState] | None = [state] if state else None
        async with self._database.read(caller.scope) as tx:
            page = await service.page_jobs(tx, request, states=states, queue=queue, kind=kind, parent_id=parent_id)
        return ListObject[JobObject].of_page(page, JobObject.of)

    async def stats(self, caller: Permitted) -> ListObject[QueueStatsObject]:
        """Read how each queue stands: depth, age of the oldest, throughput, attempts, dead letters, time left."""
        async with self._database.read(caller.scope) as tx:
            stats = await service.queue_stats(tx)
        return ListObject[QueueStatsObject].of([QueueStatsObject.of(one) for one in stats], has_more=False)

    async def read(self, caller: Permitted, job_id: str) -> JobDetailObject:
        """Read one job with its result, its attempts that ended badly, its children in numbers, and the time left."""
        return await self._read(caller, job_id)

    async def content(self, caller: Permitted, job_id: str) -> Response:
        """Read what a job resulted in: the bytes of its object, or its JSON."""
        async with self._database.read(caller.scope) as tx:
            job = (await service.require_job(tx, decode_id("job_", job_id))).job
        headers = {"content-disposition": f'attachment; filename="{job_id}"', "content-security-policy": "sandbox"}
        media_type = "application/octet-stream"
        if job.result_object is not None:
            size, pieces = await self._blobs.open(job.result_object)
            return StreamingResponse(pieces, media_type=media_type, headers={**headers, "content-length": str(size)})
        if job.result is None:
            raise NoResult(f"The job is '{job.state}' and has no result.")
        return Response(orjson.dumps(job.result), media_type=media_type, headers=headers)

    async def cancel(self, caller: Permitted, job_id: str) -> JobDetailObject:
        """Cancel a job and its children: at once where they wait, within seconds where they run."""
        decoded = decode_id("job_", job_id)
        async with self._database.write(caller.scope) as tx:
            parent_ids = await service.cancel(tx, decoded)
        await look_after(self._database, caller.tenant_id, parent_ids)
        return await self._read(caller, job_id)

    async def retry(self, caller: Permitted, job_id: str) -> JobDetailObject:
        """Let a job that waits for its time or its backoff run now."""
        async with self._database.write(caller.scope) as tx:
            await service.run_now(tx, decode_id("job_", job_id))
        return await self._read(caller, job_id)

    async def redrive(self, caller: Permitted, job_id: str) -> JobDetailObject:
        """Queue a dead letter again under its id, with its payload and its history."""
        async with self._database.write(caller.scope) as tx:
            await service.redrive(tx, decode_id("job_", job_id))
        return await self._read(caller, job_id)

    async def redrive_many(self, caller: Permitted, body: RedriveMany) -> RedrivenObject:
        """Queue the dead letters of a queue or a kind again, the oldest first; ask again while it has more."""
        async with self._database.write(caller.scope) as tx:
            done = await service.redrive_many(tx, queue=body.queue, kind=body.kind, limit=body.limit)
        return RedrivenObject.of(done)

    async def _read(self, caller: Permitted, job_id: str) -> JobDetailObject:
        async with self._database.read(caller.scope) as tx:
            return JobDetailObject.of_detail(await service.require_job(tx, decode_id("job_", job_id)))
