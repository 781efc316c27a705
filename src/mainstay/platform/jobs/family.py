"""How parents go on: a look after each end of a child, and one at all that wait for what a crash left over."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import family_store
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


async def look_after(database: Database, tenant_id: UUID, parent_ids: Sequence[UUID]) -> None:
    """Queue those of these parents that wait for no child any more; called after the commit that ended a child.

    It never raises for want of the database: the child has ended, and the duty looks again.
    """
    try:
        async with database.keyhole() as tx:
            await family_store.wake_parents(tx, [(tenant_id, parent_id) for parent_id in parent_ids])
    except Unavailable as error:
        log.warning("job.parent_not_woken", parents=[str(one) for one in parent_ids], reason=error.message)


async def look_at_all(database: Database) -> None:
    """Queue every job that waits although its children have all ended."""
    async with database.keyhole() as tx:
        for job_id in await family_store.wake_waiting(tx):
            log.info("job.parent_woken_late", job_id=str(job_id))
