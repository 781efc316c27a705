"""The jobs of retrieval: a version that was added is ingested, and segments of an index are merged."""

from typing import Any

from mainstay.knowledge.documents.models import INGEST
from mainstay.knowledge.retrieval import service
from mainstay.knowledge.retrieval.ingest import Ingest
from mainstay.knowledge.retrieval.models import MERGE, MergePayload
from mainstay.platform.jobs import JobHandler, JobRun

# One job does so many merges at most; what is left is due again with the next version.
_MERGES_MAX = 100
_UNAUDITED = "an index is packed anew, and all that it finds stays the same"


def handlers(ingest: Ingest) -> list[JobHandler[Any]]:
    """Return what a worker does for retrieval."""
    return [JobHandler(INGEST, run=ingest.run, on_dead=ingest.give_up), JobHandler(MERGE, run=merge)]


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
