"""Pruning: jobs that finished long ago are deleted, in transactions of a bounded size."""

import structlog

from mainstay.platform.jobs import metrics, store
from mainstay.platform.jobs.limits import PRUNE_BATCH_JOBS, PRUNE_BATCHES_MAX, WorkerLimits
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


async def prune(database: Database, limits: WorkerLimits) -> int:
    """Delete jobs that finished longer ago than they are kept, and return how many; what is left waits for the next."""
    total = 0
    for _ in range(PRUNE_BATCHES_MAX):
        async with database.keyhole() as tx:
            pruned = await store.prune(tx, keep_s=limits.keep_s, keep_dead_s=limits.keep_dead_s)
        total += pruned
        if pruned < PRUNE_BATCH_JOBS:
            break
    if total:
        metrics.PRUNED.inc(total)
        log.info("jobs.pruned", jobs=total)
    return total
