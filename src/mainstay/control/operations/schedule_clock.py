"""What every worker does for schedules, again and again: give tenants theirs, and make jobs of what is due.

There is no leader. Whoever comes first locks the schedule, and the others pass over it; that it is due is decided by
the clock of the database, inside the transaction that makes the job.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from mainstay.control.operations import schedule_store as store
from mainstay.control.operations import schedules
from mainstay.control.operations.schedule_models import DueSchedule
from mainstay.control.operations.schedules import Declared
from mainstay.kernel.errors import Unavailable
from mainstay.kernel.ids import new_id
from mainstay.platform.jobs import Duty, Schedule, metrics
from mainstay.platform.postgres import Database, Scope

log = structlog.get_logger(__name__)

# How late a job may be made of a due time while all is well.
FIRE_EVERY_S = 3.0
# How long a new tenant waits for its schedules, and a changed expression until it counts.
PUT_EVERY_S = 20.0
BATCH_MAX = 200
TENANTS_MAX = 200
_UNAUDITED = "the clock makes a job; what the job does is audited by the job"


def by_name(declared: Iterable[Schedule[Any]]) -> Declared:
    """Return schedules by their names; raises ValueError where two have the same."""
    found: dict[str, Schedule[Any]] = {}
    for schedule in declared:
        if schedule.name in found:
            raise ValueError(f"Two schedules are named '{schedule.name}': give one another name")
        found[schedule.name] = schedule
    return found


class ScheduleClock:
    """Ticks for all tenants; any number of processes may at once."""

    def __init__(self, database: Database, declared: Declared) -> None:
        self._database = database
        self._declared = declared

    def duties(self) -> Sequence[Duty]:
        """Return what a worker does again and again."""
        return (Duty("schedules.put", PUT_EVERY_S, self.put), Duty("schedules.fire", FIRE_EVERY_S, self.fire))

    async def put(self) -> None:
        """Give new tenants their schedules, and all tenants what was declared otherwise since."""
        async with self._database.keyhole() as tx:
            tenants = await store.unscheduled_tenants(tx, list(self._declared.values()), TENANTS_MAX)
        for tenant_id in tenants:
            with bound_contextvars(tenant_id=str(tenant_id)):
                try:
                    await self._put_one(tenant_id)
                except Unavailable as error:
                    log.warning("schedules.unavailable", reason=error.message)
                except Exception:
                    # One tenant must not keep the others from theirs; it is tried again at the next tick.
                    log.exception("schedules.put_failed")

    async def fire(self) -> None:
        """Make jobs of everything that is due."""
        while True:
            async with self._database.keyhole() as tx:
                due = await store.due(tx, list(self._declared), BATCH_MAX)
            done = [await self._try_to_fire(one) for one in due]
            if len(due) < BATCH_MAX or not any(done):
                return

    async def _put_one(self, tenant_id: UUID) -> None:
        # Like a task of maintenance it acts for nobody, and its name is new each time.
        scope = Scope(tenant_id, new_id(), sees_all=True, request_id=f"schedules_{new_id().hex}")
        async with self._database.write(scope, unaudited="the schedules are as they are declared already") as tx:
            await schedules.put_all(tx, self._declared)

    async def _try_to_fire(self, due: DueSchedule) -> bool:
        """Make the jobs of one schedule; return False where there was nothing to make or it failed."""
        ids = {"tenant_id": str(due.tenant_id), "schedule_id": str(due.schedule_id)}
        scope = Scope(due.tenant_id, due.principal_id, sees_all=True, request_id=f"schedule_{new_id().hex}")
        with bound_contextvars(**ids, request_id=scope.request_id):
            try:
                async with self._database.write(scope, unaudited=_UNAUDITED) as tx:
                    fired = await schedules.fire(tx, self._declared, due.schedule_id)
            except Unavailable as error:
                log.warning("schedule.unavailable", reason=error.message)
            except Exception:
                # A payload that cannot be made, for example: it must keep no other schedule from its time.
                log.exception("schedule.fire_failed")
                metrics.SCHEDULES.labels("failed").inc()
            else:
                for due_at in fired:
                    log.info("schedule.fired", due_at=due_at.isoformat())
                    metrics.SCHEDULES.labels("fired").inc()
                return bool(fired)
        return False
