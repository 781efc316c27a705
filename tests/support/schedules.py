"""Schedules for tests, what the tables say of them, and due times found by looking at every minute."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from mainstay.platform.jobs import JobKind, Schedule


@dataclass(frozen=True)
class Tick:
    """What the jobs of the tests are about."""

    schedule: str
    due_at: datetime


TICK = JobKind("tests.tick", queue="ticks", timeout_s=5, payload=Tick)


def ticking(name: str, cron: str, **given: Any) -> Schedule[Tick]:
    """Return a schedule whose jobs say what they are for."""
    return Schedule(name, TICK, cron=cron, payload=lambda due_at: Tick(name, due_at), **given)


MINUTE = timedelta(minutes=1)


def minutes(after: datetime, until: datetime) -> Iterable[datetime]:
    """Return each full minute after `after` and not after `until`."""
    minute = after.replace(second=0, microsecond=0) + MINUTE
    while minute <= until:
        yield minute
        minute += MINUTE


def every(step: int, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return when `*/step * * * *` is due: the local minute of each minute that passes says it."""
    return [one for one in minutes(after, until) if one.astimezone(ZoneInfo(zone)).minute % step == 0]


def daily(hour: int, minute: int, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return when `minute hour * * *` is due: once a day, at the first moment when the local clock is that far."""
    found: list[datetime] = []
    last_day = None
    for one in minutes(after - timedelta(days=2), until):
        local = one.astimezone(ZoneInfo(zone))
        if (local.hour, local.minute) >= (hour, minute) and local.date() != last_day:
            last_day = local.date()
            found.append(one)
    # The first day of the look may have begun in its middle.
    return [one for one in found[1:] if one > after]


class ScheduleTable:
    """What a superuser sees, for tests to check and to let time pass in."""

    def __init__(self, connection: asyncpg.Pool) -> None:
        self.connection = connection

    async def rows(self, tenant_id: UUID) -> dict[str, Mapping[str, Any]]:
        found = await self.connection.fetch("SELECT * FROM mainstay.schedules WHERE tenant_id = $1", tenant_id)
        return {row["name"]: dict(row) for row in found}

    async def firings(self, tenant_id: UUID, name: str) -> list[datetime]:
        found = await self.connection.fetch(
            "SELECT f.due_at FROM mainstay.schedule_firings f JOIN mainstay.schedules s"
            " ON s.tenant_id = f.tenant_id AND s.id = f.schedule_id"
            " WHERE f.tenant_id = $1 AND s.name = $2 ORDER BY f.due_at",
            tenant_id,
            name,
        )
        return [row["due_at"] for row in found]

    async def jobs(self, tenant_id: UUID, name: str) -> list[datetime]:
        """Return the due times in the payloads of all jobs of a schedule, doubles and all."""
        found = await self.connection.fetch(
            "SELECT payload ->> 'due_at' AS due_at FROM mainstay.jobs"
            " WHERE tenant_id = $1 AND payload ->> 'schedule' = $2",
            tenant_id,
            name,
        )
        return sorted(datetime.fromisoformat(row["due_at"]).astimezone(UTC) for row in found)

    async def set_back(self, tenant_id: UUID, past: timedelta) -> None:
        """Do to the tenant's schedules what an outage of this length does."""
        await self.connection.execute(
            "UPDATE mainstay.schedules SET next_due_at = next_due_at - $2::interval WHERE tenant_id = $1",
            tenant_id,
            past,
        )

    async def now(self) -> datetime:
        return await self.connection.fetchval("SELECT clock_timestamp()")


BERLIN = "Europe/Berlin"
# What the drill has: each policy, over intervals and over times of day that a change of clocks skips and doubles.
DRILLED = (
    ticking("minute_all", "* * * * *", catch_up="all"),
    ticking("quarter_last", "*/15 * * * *", timezone=BERLIN, catch_up="last"),
    ticking("quarter_skip", "*/15 * * * *", timezone=BERLIN, catch_up="skip"),
    ticking("night_all", "30 2 * * *", timezone=BERLIN, catch_up="all"),
    ticking("night_last", "30 2 * * *", timezone=BERLIN, catch_up="last"),
    ticking("night_skip", "30 2 * * *", timezone=BERLIN, catch_up="skip"),
)


def due_of(name: str, after: datetime, until: datetime) -> list[datetime]:
    """Return when one of DRILLED is due, without the code under test."""
    if name == "minute_all":
        return list(minutes(after, until))
    return every(15, BERLIN, after, until) if name.startswith("quarter") else daily(2, 30, BERLIN, after, until)
