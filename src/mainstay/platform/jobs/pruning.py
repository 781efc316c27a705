"""Pruning: jobs that finished long ago are deleted with their results, in transactions of a bounded size."""

import structlog

from mainstay.platform.blobs import Blobs, blob_key
from mainstay.platform.jobs import metrics, store
from mainstay.platform.jobs.limits import PRUNE_BATCH_JOBS, PRUNE_BATCHES_MAX, WorkerLimits
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


async def prune(database: Database, blobs: Blobs, limits: WorkerLimits) -> int:
    """Delete jobs that finished longer ago than they are kept, and return how many; what is left waits for the next."""
    kept = {"keep_s": limits.keep_s, "keep_dead_s": limits.keep_dead_s}
    total = 0
    for _ in range(PRUNE_BATCHES_MAX):
        async with database.keyhole() as tx:
            old = await store.list_old(tx, **kept)
        # Before the rows, so that a crash leaves no object that no row names.
        for job in old:
            if job.has_object:
                await blobs.delete(blob_key("results", job.tenant_id, job.job_id))
        if old:
            async with database.keyhole() as tx:
                total += await store.prune(tx, old, **kept)
        if len(old) < PRUNE_BATCH_JOBS:
            break
    if total:
        metrics.PRUNED.inc(total)
        log.info("jobs.pruned", jobs=total)
    return total
