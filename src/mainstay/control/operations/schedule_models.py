"""Schedules as they stand for one tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mainstay.platform.jobs import Schedule

ScheduleState = Literal["active", "paused", "disabled", "undeclared"]


@dataclass(frozen=True)
class ScheduleRow:
    """What the table says of a schedule; `disabled` is whether the service account it runs for is."""

    id: UUID
    name: str
    cron: str
    timezone: str
    principal_id: UUID
    disabled: bool
    next_due_at: datetime
    last_due_at: datetime | None
    last_job_id: UUID | None
    paused_at: datetime | None


@dataclass(frozen=True)
class StandingSchedule:
    """A schedule of a tenant, and what the code declares of it: None where it does not (any more)."""

    row: ScheduleRow
    declared: Schedule[Any] | None

    @property
    def state(self) -> ScheduleState:
        """Return whether jobs will be made of it, and if not why."""
        if self.declared is None:
            return "undeclared"
        if self.row.paused_at is not None:
            return "paused"
        return "disabled" if self.row.disabled else "active"


@dataclass(frozen=True)
class DueSchedule:
    """A schedule that is due, and the principal for which its jobs run."""

    tenant_id: UUID
    schedule_id: UUID
    principal_id: UUID


@dataclass(frozen=True)
class LockedSchedule:
    """A due schedule that nobody else fires before this transaction ends; `now` is the database's."""

    id: UUID
    name: str
    next_due_at: datetime
    now: datetime
