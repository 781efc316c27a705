"""How one process asks: for many at once, no more than it needs, and what is left goes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest

from mainstay.control.access.models import Caller
from mainstay.control.limits.admission import UNPROVED_S, Admission
from mainstay.control.limits.errors import LimitsUnavailable, RateLimited
from mainstay.control.limits.leases import LEASE_S
from mainstay.kernel.ids import new_id
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import eventually
from tests.support.tenants import TestTenant


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


@pytest.fixture
async def admission(database: Database) -> AsyncIterator[Admission]:
    opened = Admission(database)
    yield opened
    await opened.close()


@pytest.fixture
async def caller(superuser: asyncpg.Connection, tenant: TestTenant) -> Caller:
    """A caller of a tenant that may make 1,000 requests a second and 5,000 at once."""
    await superuser.execute("UPDATE mainstay.tenants SET plan = 'scale' WHERE tenant_id = $1", tenant.tenant_id)
    return Caller(tenant.tenant_id, tenant.admin_id, new_id(), "admin", "req_test")


async def used(superuser: asyncpg.Connection, caller: Caller) -> int:
    return await superuser.fetchval(
        "SELECT used FROM mainstay.request_counters WHERE tenant_id = $1 AND subject_id = $1", caller.tenant_id
    )


async def test_requests_that_come_together_are_asked_for_together(admission: Admission, caller: Caller) -> None:
    await asyncio.gather(*(admission.admit("ms_key", caller) for _ in range(200)))
    assert 1 <= admission.calls <= 3
    # Nor does another key of the tenant that comes with them need a question of its own.
    others = [replace(caller, key_id=new_id()) for _ in range(50)]
    before = admission.calls
    await asyncio.gather(*(admission.admit(f"ms_{number}", other) for number, other in enumerate(others)))
    assert admission.calls - before <= 3


async def test_demand_is_served_by_ever_fewer_questions(admission: Admission, caller: Caller) -> None:
    asked: list[int] = []
    for _ in range(5):
        before = admission.calls
        for _ in range(100):
            await admission.admit("ms_key", caller)
        asked.append(admission.calls - before)
    assert sum(asked) <= 25
    assert asked[-1] <= 2


async def test_what_is_not_admitted_goes_back(
    admission: Admission, caller: Caller, superuser: asyncpg.Connection
) -> None:
    for _ in range(100):
        await admission.admit("ms_key", caller)
    assert await used(superuser, caller) > 100

    async def is_back() -> bool:
        return await used(superuser, caller) == 100

    await eventually(is_back, deadline_s=4 * LEASE_S)


async def test_process_that_stops_puts_back_what_it_holds(
    database: Database, caller: Caller, superuser: asyncpg.Connection
) -> None:
    admission = Admission(database)
    for _ in range(100):
        await admission.admit("ms_key", caller)
    assert await used(superuser, caller) > 100
    await admission.close()
    assert await used(superuser, caller) == 100


async def test_limit_with_nothing_left_is_hardly_asked_for(
    admission: Admission, caller: Caller, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(
        "INSERT INTO mainstay.request_caps (tenant_id, subject_id, requests_per_hour) VALUES ($1, $2, 0)",
        caller.tenant_id, caller.principal_id,
    )  # fmt: skip
    for _ in range(500):
        with pytest.raises(RateLimited):
            await admission.admit("ms_key", caller)
    assert admission.calls <= 5
    # Known as it is, the key is refused before it is proved again, and a stranger's is not.
    with pytest.raises(RateLimited):
        await admission.arrive("ms_key", "203.0.113.1")
    await admission.arrive("ms_other", "203.0.113.1")


async def test_key_with_nothing_left_is_let_through_to_be_proved_now_and_then(
    database: Database, caller: Caller, superuser: asyncpg.Connection
) -> None:
    await superuser.execute(
        "INSERT INTO mainstay.request_caps (tenant_id, subject_id, requests_per_hour) VALUES ($1, $2, 0)",
        caller.tenant_id, caller.principal_id,
    )  # fmt: skip
    now = 1000.0
    admission = Admission(database, clock=lambda: now)

    async def let_through() -> int:
        passed = 0
        for _ in range(50):
            with suppress(RateLimited):
                await admission.arrive("ms_key", "203.0.113.1")
                passed += 1
        return passed

    with pytest.raises(RateLimited):
        await admission.admit("ms_key", caller)
    for _ in range(3):
        # Another key of the same principal keeps it known that nothing is left.
        with pytest.raises(RateLimited):
            await admission.admit("ms_other", caller)
        assert await let_through() == 0
        now += UNPROVED_S
        with pytest.raises(RateLimited):
            await admission.admit("ms_other", caller)
        assert await let_through() == 1
    await admission.close()


async def test_cancelled_request_takes_nothing_from_those_that_wait_with_it(
    admission: Admission, caller: Caller
) -> None:
    first, *rest = [asyncio.create_task(admission.admit("ms_key", caller)) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()
    standings = await asyncio.gather(*rest)
    assert len(standings) == 19


async def test_database_that_is_away_refuses_with_a_key_and_is_asked_again(
    database_urls: DatabaseUrls, caller: Caller
) -> None:
    database = await Database.connect(f"{database_urls.app}?default_transaction_read_only=on", scope_key=SCOPE_KEY)
    admission = Admission(database)
    for _ in range(50):
        with pytest.raises(LimitsUnavailable):
            await admission.admit("ms_key", caller)
    assert admission.calls <= 3
    for _ in range(20):
        await admission.arrive(None, "203.0.113.2")
    await admission.close()
    await database.close()
