"""The jobs of retrieval: a version that was added is ingested, and segments of an index are merged."""

from typing import Any

from mainstay.knowledge.documents.models import INGEST
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.ingest import Ingest
from mainstay.knowledge.retrieval.models import MERGE, PLAN_MERGES, MergePayload
from mainstay.platform.jobs import JobHandler, JobRun, Payload, Schedule

# One job does so many merges at most; what is left is due again with the next version.
_MERGES_MAX = 100
KINDS = (INGEST, MERGE, PLAN_MERGES)
SCHEDULES = (Schedule("retrieval.plan_merges", PLAN_MERGES, cron="17 3 * * *", payload={}),)
_UNAUDITED = "an index is packed anew, and all that it finds stays the same"


def handlers(ingest: Ingest) -> list[JobHandler[Any]]:
    """Return what a worker does for retrieval."""
    return [
        JobHandler(INGEST, run=ingest.run, on_dead=ingest.give_up),
        JobHandler(MERGE, run=merge),
        JobHandler(PLAN_MERGES, run=plan_merges),
    ]


async def merge(job: JobRun[MergePayload]) -> None:
    """Merge the segments of the store that the job names, each time in a transaction of its own."""
    store_id = job.payload.store_id
    for _ in range(_MERGES_MAX):
        async with job.checkpoint(unaudited=_UNAUDITED) as tx:
            merged = await service.merge_segments(tx, store_id)
        if not merged:
            break
    async with job.commit(unaudited=_UNAUDITED):
        return


async def plan_merges(job: JobRun[Payload]) -> None:
    """Plan what is due in all stores of a tenant, one by one, so that no transaction is long."""
    async with job.read() as tx:
        stores = await service.indexed_stores(tx)
    for store_id in stores:
        async with job.checkpoint(unaudited=_UNAUDITED) as tx:
            await service.plan_merge(tx, store_id)
    async with job.commit(unaudited=_UNAUDITED):
        return
