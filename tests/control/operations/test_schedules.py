"""Each due time of each tenant becomes one job, whoever ticks and however often."""

import asyncio
from datetime import datetime, timedelta

import pytest

from mainstay.control.operations import schedules
from mainstay.control.operations.schedule_clock import ScheduleClock, by_name
from mainstay.kernel.errors import NotFound
from mainstay.platform.jobs import Schedule
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.schedules import TICK, ScheduleTable, Tick, every, ticking
from tests.support.tenants import TestTenant, make_tenant

HOUR = timedelta(hours=1)


def clock_of(database: Database, *declared: Schedule) -> ScheduleClock:
    return ScheduleClock(database, by_name(declared))


async def test_new_tenant_gets_its_schedules_and_one_service_account(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    declared = (ticking("a", "0 * * * *"), ticking("b", "30 2 * * 0", timezone="Europe/Berlin"))
    await asyncio.gather(*(clock_of(database, *declared).put() for _ in range(5)))
    rows = await table.rows(tenant.tenant_id)
    assert {(row["cron"], row["timezone"]) for row in rows.values()} == {
        ("0 * * * *", "UTC"),
        ("30 2 * * 0", "Europe/Berlin"),
    }
    now = await table.now()
    assert all(now < row["next_due_at"] for row in rows.values())
    (principal_id,) = {row["principal_id"] for row in rows.values()}
    made = await table.connection.fetch(
        "SELECT id, role, kind FROM mainstay.principals WHERE tenant_id = $1 AND name = $2",
        tenant.tenant_id,
        schedules.SERVICE_ACCOUNT,
    )
    assert [tuple(row) for row in made] == [(principal_id, "service", "service_account")]
    audited = await table.connection.fetch(
        "SELECT action FROM mainstay.audit_entries WHERE tenant_id = $1 ORDER BY action", tenant.tenant_id
    )
    assert [row["action"] for row in audited] == ["principal.create", "schedule.declare", "schedule.declare"]


@pytest.mark.parametrize(("catch_up", "expected"), [("skip", 0), ("last", 1), ("all", 3)])
async def test_outage_is_caught_up_as_declared_whoever_ticks(
    database: Database,
    database_urls: DatabaseUrls,
    tenant: TestTenant,
    table: ScheduleTable,
    catch_up: str,
    expected: int,
) -> None:
    # Half an hour from any full hour, so that none is on time, whenever this runs.
    now = await table.now()
    schedule = ticking(f"hourly_{catch_up}", f"{(now.minute + 30) % 60} * * * *", catch_up=catch_up)
    others = [await Database.connect(database_urls.app, scope_key=SCOPE_KEY) for _ in range(2)]
    try:
        clocks = [clock_of(one, schedule) for one in (database, *others)]
        await clocks[0].put()
        await table.set_back(tenant.tenant_id, 3 * HOUR)
        due = (await table.rows(tenant.tenant_id))[schedule.name]["next_due_at"]
        await asyncio.gather(*(clock.fire() for clock in clocks for _ in range(4)))
    finally:
        for one in others:
            await one.close()
    newest = due + 2 * HOUR
    wanted = [newest - (expected - 1 - index) * HOUR for index in range(expected)]
    assert await table.firings(tenant.tenant_id, schedule.name) == wanted
    assert await table.jobs(tenant.tenant_id, schedule.name) == wanted
    assert (await table.rows(tenant.tenant_id))[schedule.name]["next_due_at"] == newest + HOUR


async def test_due_time_that_was_fired_is_not_fired_again_when_the_row_is_set_back(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    clock = clock_of(database, ticking("restored", "* * * * *", catch_up="all"))
    await clock.put()
    await table.set_back(tenant.tenant_id, timedelta(minutes=20))
    await clock.fire()
    fired = await table.firings(tenant.tenant_id, "restored")
    assert len(fired) >= 19
    # As after a backup is restored, or a standby with a slow clock takes over.
    await table.set_back(tenant.tenant_id, timedelta(minutes=30))
    await clock.fire()
    again = await table.firings(tenant.tenant_id, "restored")
    assert again == every(1, "UTC", again[0] - timedelta(minutes=1), again[-1])
    assert set(fired) < set(again)
    assert await table.jobs(tenant.tenant_id, "restored") == again


async def test_jobs_run_for_the_service_account(database: Database, tenant: TestTenant, table: ScheduleTable) -> None:
    clock = clock_of(database, ticking("owned", "* * * * *"))
    await clock.put()
    await table.set_back(tenant.tenant_id, timedelta(minutes=2))
    await clock.fire()
    row = (await table.rows(tenant.tenant_id))["owned"]
    job = await table.connection.fetchrow(
        "SELECT principal_id, kind, queue FROM mainstay.jobs WHERE tenant_id = $1", tenant.tenant_id
    )
    assert tuple(job) == (row["principal_id"], TICK.name, TICK.queue)


async def test_changed_expression_takes_effect_and_what_was_due_is_fired_first(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    before = clock_of(database, ticking("moved", "0 0 1 1 *"))
    await before.put()
    after = clock_of(database, ticking("moved", "* * * * *", timezone="Europe/Paris"))
    await after.put()
    row = (await table.rows(tenant.tenant_id))["moved"]
    assert (row["cron"], row["timezone"]) == ("* * * * *", "Europe/Paris")
    assert row["next_due_at"] - await table.now() <= timedelta(minutes=1)
    await table.set_back(tenant.tenant_id, timedelta(minutes=1, seconds=1))
    due = (await table.rows(tenant.tenant_id))["moved"]["next_due_at"]
    await before.put()
    assert (await table.rows(tenant.tenant_id))["moved"]["next_due_at"] == due
    await before.fire()
    assert await table.firings(tenant.tenant_id, "moved") == [due]
    row = (await table.rows(tenant.tenant_id))["moved"]
    assert (row["cron"], row["next_due_at"].month, row["next_due_at"].day) == ("0 0 1 1 *", 1, 1)


async def test_undeclared_schedule_rests_and_says_so(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    clock = clock_of(database, ticking("gone", "* * * * *"), ticking("stays", "* * * * *"))
    await clock.put()
    await table.set_back(tenant.tenant_id, timedelta(minutes=2))
    declared = by_name([ticking("stays", "* * * * *")])
    await ScheduleClock(database, declared).fire()
    assert await table.firings(tenant.tenant_id, "gone") == []
    assert len(await table.firings(tenant.tenant_id, "stays")) == 1
    async with database.read(tenant.admin) as tx:
        found = {one.row.name: one.state for one in await schedules.read_all(tx, declared)}
    assert found == {"gone": "undeclared", "stays": "active"}
    async with database.write(tenant.admin) as tx:
        with pytest.raises(schedules.ScheduleUndeclared, match="'gone' is not declared by the code"):
            await schedules.run(tx, declared, "gone")


async def test_payload_that_cannot_be_made_keeps_no_other_schedule_from_its_time(
    database: Database, owner_database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    def broken(_: datetime) -> Tick:
        raise ZeroDivisionError

    other = await make_tenant(owner_database)
    bad = Schedule("broken", TICK, cron="* * * * *", payload=broken)
    clock = clock_of(database, bad, ticking("sound", "* * * * *"))
    await clock.put()
    for one in (tenant, other):
        await table.set_back(one.tenant_id, timedelta(minutes=2))
    await clock.fire()
    for one in (tenant, other):
        assert len(await table.firings(one.tenant_id, "sound")) == 1
        assert await table.firings(one.tenant_id, "broken") == []
    # It is still due, so that a version that can make it does.
    await clock_of(database, ticking("broken", "* * * * *")).fire()
    assert len(await table.firings(tenant.tenant_id, "broken")) == 1


async def test_pause_lets_due_times_pass_and_resume_goes_on_after_now(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    declared = by_name([ticking("resting", "* * * * *", catch_up="all")])
    clock = ScheduleClock(database, declared)
    await clock.put()
    async with database.write(tenant.admin) as tx:
        assert (await schedules.pause(tx, declared, "resting")).state == "paused"
    await table.set_back(tenant.tenant_id, HOUR)
    await clock.fire()
    assert await table.firings(tenant.tenant_id, "resting") == []
    async with database.write(tenant.admin) as tx:
        assert (await schedules.resume(tx, declared, "resting")).state == "active"
    await clock.fire()
    assert await table.firings(tenant.tenant_id, "resting") == []
    assert (await table.rows(tenant.tenant_id))["resting"]["next_due_at"] > await table.now() - timedelta(minutes=1)


async def test_disabled_service_account_stops_all_schedules_of_the_tenant(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    declared = by_name([ticking("stopped", "* * * * *")])
    clock = ScheduleClock(database, declared)
    await clock.put()
    await table.connection.execute(
        "UPDATE mainstay.principals SET disabled_at = now() WHERE tenant_id = $1 AND name = 'schedules'",
        tenant.tenant_id,
    )
    await table.set_back(tenant.tenant_id, timedelta(minutes=2))
    await clock.fire()
    assert await table.firings(tenant.tenant_id, "stopped") == []
    async with database.read(tenant.admin) as tx:
        assert [one.state for one in await schedules.read_all(tx, declared)] == ["disabled"]


async def test_run_adds_a_job_for_whoever_asks_and_leaves_due_times_alone(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    declared = by_name([ticking("asked", "0 0 1 1 *")])
    await ScheduleClock(database, declared).put()
    before = await table.rows(tenant.tenant_id)
    async with database.write(tenant.admin) as tx:
        job_id = await schedules.run(tx, declared, "asked")
    job = await table.connection.fetchrow("SELECT id, principal_id FROM mainstay.jobs WHERE id = $1", job_id)
    assert tuple(job) == (job_id, tenant.admin_id)
    assert await table.rows(tenant.tenant_id) == before
    async with database.write(tenant.admin, unaudited="nothing is changed") as tx:
        with pytest.raises(NotFound, match="no schedule named 'unknown'"):
            await schedules.run(tx, declared, "unknown")


async def test_tenant_that_no_worker_has_seen_yet_can_be_steered(
    database: Database, tenant: TestTenant, table: ScheduleTable
) -> None:
    declared = by_name([ticking("early", "* * * * *")])
    async with database.write(tenant.admin) as tx:
        assert (await schedules.pause(tx, declared, "early")).state == "paused"
    assert list(await table.rows(tenant.tenant_id)) == ["early"]


def test_two_schedules_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Two schedules are named 'twice'"):
        by_name([ticking("twice", "* * * * *"), ticking("twice", "0 * * * *")])
