"""The SQL of schedules, and its rows as what they mean."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mainstay.control.operations.schedule_models import DueSchedule, LockedSchedule, ScheduleRow
from mainstay.kernel.ids import new_id
from mainstay.platform.jobs import Schedule
from mainstay.platform.postgres import KeyholeTx, ReadTx, WriteTx, load_queries

_QUERIES = load_queries(__package__)


async def due(tx: KeyholeTx, names: Sequence[str], count_max: int) -> Sequence[DueSchedule]:
    """Return schedules of these names that are due, of any tenant."""
    rows = await tx.fetch(_QUERIES["due_schedules"], names=names, count_max=count_max)
    return [DueSchedule(**row) for row in rows]


async def unscheduled_tenants(tx: KeyholeTx, schedules: Sequence[Schedule[Any]], count_max: int) -> Sequence[UUID]:
    """Return tenants that have not all of `schedules`, or not as they are declared."""
    rows = await tx.fetch(
        _QUERIES["unscheduled_tenants"],
        names=[schedule.name for schedule in schedules],
        crons=[schedule.cron for schedule in schedules],
        timezones=[schedule.timezone for schedule in schedules],
        count_max=count_max,
    )
    return [row["tenant_id"] for row in rows]


async def lock_tenant(tx: WriteTx) -> datetime:
    """Make others wait that would give this tenant its schedules, and return the time of the database."""
    now: datetime = await tx.fetch_value(_QUERIES["lock_tenant_schedules"])
    return now


async def find_principal(tx: ReadTx) -> UUID | None:
    """Return the service account that the tenant's schedules run for, or None where it has none yet."""
    found: UUID | None = await tx.fetch_value(_QUERIES["find_schedules_principal"])
    return found


async def put(tx: WriteTx, schedule: Schedule[Any], principal_id: UUID, next_due_at: datetime) -> bool:
    """Add a schedule, or bring its expression up to date; False where there was nothing to do."""
    changed = await tx.execute(
        _QUERIES["put_schedule"],
        id=new_id(),
        name=schedule.name,
        holder_id=principal_id,
        cron=schedule.cron,
        timezone=schedule.timezone,
        next_due_at=next_due_at,
    )
    return changed > 0


async def lock_due(tx: WriteTx, schedule_id: UUID) -> LockedSchedule | None:
    """Take a schedule to fire it; None where it is not due any more, or somebody else has it."""
    row = await tx.fetch_one(_QUERIES["lock_due_schedule"], id=schedule_id)
    return LockedSchedule(**row) if row else None


async def fired(tx: ReadTx, schedule_id: UUID, due_times: Sequence[datetime]) -> set[datetime]:
    """Return which of these due times have become jobs already."""
    rows = await tx.fetch(_QUERIES["list_firings"], id=schedule_id, due=list(due_times))
    return {row["due_at"] for row in rows}


async def add_firing(tx: WriteTx, schedule_id: UUID, due_at: datetime, job_id: UUID) -> None:
    """Write down which job was made of a due time; raises UniqueViolation where one was made before."""
    await tx.execute(_QUERIES["insert_firing"], id=schedule_id, due_at=due_at, job_id=job_id)


async def advance(
    tx: WriteTx, schedule_id: UUID, schedule: Schedule[Any], *, next_due_at: datetime, last_due_at: datetime | None
) -> None:
    """Say when a schedule is due next."""
    await tx.execute(
        _QUERIES["advance_schedule"],
        id=schedule_id,
        cron=schedule.cron,
        timezone=schedule.timezone,
        next_due_at=next_due_at,
        last_due_at=last_due_at,
    )


async def forget_firings(tx: WriteTx, schedule_id: UUID, days: int) -> None:
    """Forget due times that are older than `days`."""
    await tx.execute(_QUERIES["delete_firings"], id=schedule_id, days=days)


async def read_all(tx: ReadTx, name: str | None = None) -> Sequence[ScheduleRow]:
    """Return the schedules of the tenant, or the one called `name`."""
    return [ScheduleRow(**row) for row in await tx.fetch(_QUERIES["list_schedules"], name=name)]


async def pause(tx: WriteTx, schedule_id: UUID) -> None:
    """Let a schedule rest."""
    await tx.execute(_QUERIES["pause_schedule"], id=schedule_id)


async def resume(tx: WriteTx, schedule_id: UUID, next_due_at: datetime) -> None:
    """Let a schedule that rests go on."""
    await tx.execute(_QUERIES["resume_schedule"], id=schedule_id, next_due_at=next_due_at)


async def clock(tx: ReadTx) -> datetime:
    """Return the time of the database."""
    now: datetime = await tx.fetch_value(_QUERIES["read_clock"])
    return now
