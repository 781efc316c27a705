"""What the database grants: the function of the keyhole beside its oracle, and whose limits hold for whom."""

import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstay.control.limits import store
from mainstay.control.limits.models import EVERYONE, Ask, Grant, Limits, Subject, subject_of_address
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database
from tests.support.database import DatabaseUrls
from tests.support.ledger import Ledger
from tests.support.tenants import TestTenant

# Of a rate this low nothing leaks within a test.
SLOW = 0.001


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def cap(superuser: asyncpg.Connection, subject: Subject, limits: Limits) -> None:
    await superuser.execute(
        "INSERT INTO mainstay.request_caps VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, subject_id) DO UPDATE"
        " SET requests_per_second = $3, requests_burst = $4, requests_per_hour = $5",
        subject.tenant_id, subject.id,
        limits.requests_per_second, limits.requests_burst, limits.requests_per_hour,
    )  # fmt: skip


async def take(database: Database, *asks: Ask) -> list[Grant | None]:
    async with database.keyhole_statements() as tx:
        grants = await store.take_requests(tx, asks)
    return [grants.get((ask.subject.tenant_id, ask.subject.id)) for ask in asks]


def counts(grant: Grant | None) -> tuple[int, int | None, int | None]:
    assert grant is not None
    left = grant.burst_left
    return grant.granted, None if left is None else round(left), grant.hour_left


MOVES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=12)
CAPS = st.one_of(
    st.builds(Limits, st.just(SLOW), st.integers(1, 60), st.none() | st.integers(0, 90)),
    st.builds(Limits, st.none(), st.none(), st.integers(0, 90)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CAPS, min_size=3, max_size=3), MOVES)
async def test_database_grants_what_its_oracle_does(
    database: Database, superuser: asyncpg.Connection, tenant: TestTenant, caps: list[Limits], moves: list
) -> None:
    subjects = [Subject("key", tenant.tenant_id, new_id()) for _ in caps]
    for subject, limits in zip(subjects, caps, strict=True):
        await cap(superuser, subject, limits)
    ledger = Ledger(dict(zip(subjects, caps, strict=True)))
    for number, wanted, returned in moves:
        now = time.time()
        ask = Ask(subjects[number], wanted, returned, int(now // 3600))
        other = Ask(subjects[(number + 1) % 3], wanted // 2)
        granted = await take(database, ask, other)
        assert [counts(one) for one in granted] == [counts(ledger.take(one, now)) for one in (ask, other)]


async def test_bucket_leaks_at_the_rate_and_the_hour_begins_anew(
    database: Database, superuser: asyncpg.Connection, tenant: TestTenant
) -> None:
    subject = Subject("key", tenant.tenant_id, new_id())
    await cap(superuser, subject, Limits(10.0, 100, 1000))
    for _ in range(20):
        await take(database, Ask(subject, 100))
    (empty,) = await take(database, Ask(subject, 100))
    assert empty is not None
    assert empty.granted == 0
    await superuser.execute(
        "UPDATE mainstay.request_counters SET counted_at = counted_at - interval '4 seconds' WHERE subject_id = $1",
        subject.id,
    )
    (later,) = await take(database, Ask(subject, 0))
    assert later is not None
    assert later.burst_left == pytest.approx(40, abs=3)
    await superuser.execute("UPDATE mainstay.request_counters SET hour = hour - 1 WHERE subject_id = $1", subject.id)
    (next_hour,) = await take(database, Ask(subject, 0))
    assert next_hour is not None
    assert next_hour.hour_left == 1000
    assert 0 < next_hour.hour_ends_s <= 3600
    # What was taken in an hour that is over is not put back into this one.
    (returned,) = await take(database, Ask(subject, 10, 5, next_hour.hour - 1))
    assert returned is not None
    assert returned.hour_left == 990


async def test_time_that_runs_backwards_gives_nothing(
    database: Database, superuser: asyncpg.Connection, tenant: TestTenant
) -> None:
    subject = Subject("key", tenant.tenant_id, new_id())
    await cap(superuser, subject, Limits(10.0, 8, None))
    assert counts((await take(database, Ask(subject, 8)))[0]) == (8, 0, None)
    await superuser.execute(
        "UPDATE mainstay.request_counters SET counted_at = counted_at + interval '9 seconds' WHERE subject_id = $1",
        subject.id,
    )
    (ahead,) = await take(database, Ask(subject, 8))
    assert ahead is not None
    assert ahead.granted == 0


async def test_a_tenant_has_the_limits_of_its_plan_and_of_no_other(
    database: Database, superuser: asyncpg.Connection, tenant: TestTenant, other_tenant: TestTenant
) -> None:
    subjects = [Subject("tenant", one.tenant_id, one.tenant_id) for one in (tenant, other_tenant)]
    await superuser.execute("UPDATE mainstay.tenants SET plan = 'team' WHERE tenant_id = $1", other_tenant.tenant_id)
    free, team = await take(database, *(Ask(subject, 1) for subject in subjects))
    assert free is not None
    assert team is not None
    assert free.limits == Limits(5, 20, 2000)
    assert team.limits == Limits(50, 200, 50000)
    # The id of a tenant beside another's is a subject of which nothing is known.
    assert await take(database, Ask(Subject("tenant", tenant.tenant_id, other_tenant.tenant_id), 1)) == [None]


async def test_a_subject_without_limits_has_no_row(
    database: Database, superuser: asyncpg.Connection, tenant: TestTenant
) -> None:
    subject = Subject("key", tenant.tenant_id, new_id())
    assert await take(database, Ask(subject, 5)) == [None]
    count = "SELECT count(*) FROM mainstay.request_counters WHERE subject_id = $1"
    assert await superuser.fetchval(count, subject.id) == 0


async def test_requests_without_a_key_have_limits_by_address_and_together(database: Database) -> None:
    address, everyone = await take(database, Ask(subject_of_address("203.0.113.7"), 1), Ask(EVERYONE, 1))
    assert address is not None
    assert everyone is not None
    assert address.limits == Limits(50, 500, 50000)
    assert everyone.limits == Limits(500, 2000, 1000000)


def test_addresses_fall_on_few_numbers_and_a_network_of_ipv6_on_one() -> None:
    numbers = {subject_of_address(f"10.{one}.{two}.1").id.int for one in range(64) for two in range(64)}
    assert len(numbers) > 3900
    assert 1 <= min(numbers) < max(numbers) <= 65536
    assert subject_of_address("2001:db8:0:7::1") == subject_of_address("2001:db8:0:7:ffff::9")
    assert subject_of_address("2001:db8:0:7::1") != subject_of_address("2001:db8:0:8::1")
    assert subject_of_address("") == subject_of_address("")


async def test_counting_does_not_wait_for_the_disk(database_urls: DatabaseUrls) -> None:
    """The function's transaction commits asynchronously, and the setting ends with it."""
    connection = await asyncpg.connect(database_urls.app, server_settings={"synchronous_commit": "on"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.fetch("SELECT * FROM keyhole.take_requests('{}', '{}', '{}', '{}', '{}')")
    assert await connection.fetchval("SHOW synchronous_commit") == "off"
    await transaction.rollback()
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()
