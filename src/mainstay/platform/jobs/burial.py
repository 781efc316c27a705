"""Burials: how a failed job becomes a dead letter, together with what its slice writes about it."""

from dataclasses import replace

import structlog
from structlog.contextvars import bound_contextvars

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import metrics, store
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import Lease
from mainstay.platform.jobs.registry import JobRegistry
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


async def bury(database: Database, registry: JobRegistry, lease: Lease) -> bool:
    """Make one failed job a dead letter and tell its kind, in one commit; return False if another worker did.

    Raises whatever `on_dead` raises, and then nothing is kept.
    """
    async with database.read(lease.scope) as reading:
        request_id = await store.find_burial(reading, lease.job_id)
    if request_id is None:
        return False
    async with database.write(replace(lease.scope, request_id=request_id)) as tx:
        buried = await store.bury(tx, lease.job_id)
        if buried is None:
            return False
        kind, dead = buried
        with bound_contextvars(request_id=request_id, job_kind=kind):
            handler = registry[kind]
            if handler.on_dead is not None:
                payload = handler.kind.payloads.read_if_it_fits(dead.stored)
                await handler.on_dead(tx, replace(dead, payload=payload))
            log.warning("job.dead", attempt=dead.attempt, error_code=dead.error_code, error=dead.error)
    metrics.BURIED.labels(kind, "buried").inc()
    return True


async def try_to_bury(database: Database, registry: JobRegistry, lease: Lease) -> None:
    """Bury one job, or log why it has to wait for the next round."""
    with bound_contextvars(job_id=str(lease.job_id), tenant_id=str(lease.tenant_id)):
        try:
            await bury(database, registry, lease)
        except Unavailable as error:
            log.warning("job.burial_unavailable", reason=error.message)
        except Exception:
            # Whatever a slice's `on_dead` raises must keep neither other burials nor the worker from going on.
            log.exception("job.burial_failed")
            metrics.BURIED.labels("all", "failed").inc()


async def bury_due(database: Database, registry: JobRegistry, limits: WorkerLimits) -> None:
    """Bury every failed job of a known kind that is due; one that cannot be buried now is tried again later."""
    async with database.keyhole() as tx:
        due = await store.take_burials(tx, registry.kinds, limits.burial_retry_s)
    for lease in due:
        await try_to_bury(database, registry, lease)
