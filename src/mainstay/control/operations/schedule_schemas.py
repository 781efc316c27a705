"""Schedules as clients see them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from mainstay.control.operations.schedule_models import ScheduleState, StandingSchedule
from mainstay.kernel.ids import encode_id
from mainstay.platform.jobs import CatchUp


class ScheduleObject(BaseModel):
    """A schedule of the tenant.

    `next_due_at` is null where no job will be made: `state` says why. `undeclared` is what the code that answers does
    not declare (any more). `catch_up` says what becomes of due times that an outage let pass.
    """

    id: str
    """The name, by which it is paused, resumed and run."""
    object: Literal["schedule"] = "schedule"
    state: ScheduleState
    cron: str
    timezone: str
    catch_up: CatchUp | None
    job_kind: str | None
    next_due_at: datetime | None
    last_due_at: datetime | None
    last_job_id: str | None
    paused_at: datetime | None
    principal_id: str

    @classmethod
    def of(cls, standing: StandingSchedule) -> "ScheduleObject":
        """Return the outer form of a schedule."""
        row, declared = standing.row, standing.declared
        return cls(
            id=row.name,
            state=standing.state,
            cron=row.cron,
            timezone=row.timezone,
            catch_up=declared.catch_up if declared else None,
            job_kind=declared.kind.name if declared else None,
            next_due_at=row.next_due_at if standing.state == "active" else None,
            last_due_at=row.last_due_at,
            last_job_id=encode_id("job_", row.last_job_id) if row.last_job_id else None,
            paused_at=row.paused_at,
            principal_id=encode_id("usr_", row.principal_id),
        )


class ScheduleRun(BaseModel):
    """The job that was added because somebody asked for it."""

    object: Literal["schedule.run"] = "schedule.run"
    schedule: str
    job_id: str
