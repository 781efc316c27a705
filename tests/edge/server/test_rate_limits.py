"""Limits as clients meet them: who is refused, what the response says, and who is served meanwhile."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2
import openai
import pytest
from fastapi import APIRouter

from mainstay.bootstrap import ServerSystem
from mainstay.config import Settings
from mainstay.control.access import service as access
from mainstay.control.access.door import Permitted
from mainstay.control.limits import service as limits
from mainstay.control.limits.admission import TAKE_TIMEOUT_S, Admission
from mainstay.control.limits.leases import KEYLESS_DEFAULT
from mainstay.control.limits.models import EVERYONE, Limits, Quota, Standing, Subject, subject_of_address
from mainstay.edge.maintain import change_plan, set_tenant_plan
from mainstay.edge.server.app import create_app
from mainstay.edge.server.rate_limits import duration, headers_of
from mainstay.kernel.ids import decode_id, encode_id, new_id
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.edge import declared_of
from tests.support.system import Member, TestSystem
from tests.support.tenants import TestTenant

# How long a change may take to hold everywhere.
HOLDS_S = 1.0
OPERATIONS_MIN = 25
PROBES = ("/healthz", "/readyz", "/metrics")

router = APIRouter()

SETTINGS = Settings(MAINSTAY_SCOPE_KEY=SCOPE_KEY.secret.hex())  # type: ignore[arg-type]


@router.get("/things")
async def things(caller: Permitted) -> str:
    return str(caller.tenant_id)


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Process:
    """One server process, spoken to without a socket, so that a client's address can be chosen."""

    app: object

    def client(self, address: str, key: str | None = None) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(app=self.app, client=(address, 1))  # type: ignore[arg-type]
        return httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@asynccontextmanager
async def server_process(url: str) -> AsyncGenerator[Process]:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ServerSystem]:
        database = await Database.connect(url, application="limited-server", scope_key=SCOPE_KEY)
        admission = Admission(database)
        yield ServerSystem(database, [router], {}, admission)
        await admission.close()
        await database.close()

    app = create_app(Settings(), opened, declared=declared_of(router))
    async with app.router.lifespan_context(app):
        yield Process(app)


@pytest.fixture
async def process(database_urls: DatabaseUrls) -> AsyncIterator[Process]:
    async with server_process(database_urls.app) as started:
        yield started


def random_address() -> str:
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


async def make_key(owner: Database, tenant: TestTenant, cap: Limits = Limits()) -> tuple[str, str]:  # noqa: B008
    """Return the id and the secret of a new key."""
    async with owner.write(tenant.admin, unaudited="a fixture") as tx:
        key = await access.issue_key(tx, role="admin", name="limited", holder_id=tenant.admin_id)
        outer_id = encode_id("key_", key.id)
        if cap != Limits():
            await limits.set_cap(tx, outer_id, cap)
    return outer_id, key.secret


async def exhaust(superuser: asyncpg.Connection, subject: Subject) -> None:
    """Leave nothing of the burst of a subject, for long."""
    await superuser.execute(
        "INSERT INTO mainstay.request_counters (tenant_id, subject_id, backlog, counted_at)"
        " VALUES ($1, $2, 1e6, now()) ON CONFLICT (tenant_id, subject_id) DO UPDATE SET backlog = 1e6",
        subject.tenant_id, subject.id,
    )  # fmt: skip


async def operations_of(system: TestSystem) -> list[tuple[str, str]]:
    """Return method and path of every operation that asks for a key."""
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    operations = [
        (method.upper(), re.sub(r"\{[^}]+\}", "id", path))
        for path, methods in paths.items()
        for method in methods
        if path not in PROBES
    ]
    assert len(operations) >= OPERATIONS_MIN
    return operations


async def test_every_operation_counts_for_the_caller(system: TestSystem) -> None:
    """Only the count writes how the limits of a tenant stand, so a route that is past the door has no such header."""
    member = await system.member()
    answers = [(method, path, await member.http.request(method, path)) for method, path in await operations_of(system)]
    past = [
        (method, path) for method, path, answer in answers if '"tenant-hour"' not in answer.headers.get("ratelimit", "")
    ]
    assert past == []


async def test_every_operation_refuses_a_key_that_has_nothing_left(system: TestSystem) -> None:
    admin = await system.member()
    stopped = await system.member("owner", of=admin)
    await cap(admin, stopped, "key_id", {"requests_per_hour": 0})
    await until_status(stopped.http, 429, path="/v1/models")
    for method, path in await operations_of(system):
        answer = await stopped.http.request(method, path)
        assert (answer.status_code, method, path) == (429, method, path)


async def cap(admin: Member, capped: Member, field: str, values: dict[str, object]) -> str:
    """Cap the key or the principal of `capped` as its admin would; return the id."""
    outer_id = (await capped.call("GET", "/v1/limits"))[field]
    await admin.call("PUT", f"/v1/limits/{outer_id}", json=values)
    return outer_id


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/openapi.json", "/readyz", "/metrics", "/nowhere", "/things"])
async def test_every_path_refuses_an_address_that_has_nothing_left(
    process: Process, superuser: asyncpg.Connection, path: str
) -> None:
    address = random_address()
    await exhaust(superuser, subject_of_address(address))
    async with process.client(address) as flooding, process.client(random_address()) as other:
        refused = await flooding.get(path)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["x-request-id"]
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert (await other.get(path)).status_code != 429
        assert (await flooding.get("/healthz")).status_code == 200


async def test_a_flood_of_wrong_keys_is_refused_unproved_while_known_keys_are_served(
    process: Process, superuser: asyncpg.Connection, owner_database: Database, tenant: TestTenant
) -> None:
    address = random_address()
    _, secret = await make_key(owner_database, tenant)
    _, fresh = await make_key(owner_database, tenant)
    wrong = f"ms_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
    async with process.client(address, secret) as known, process.client(address, wrong) as flooding:
        assert (await known.get("/things")).status_code == 200
        assert (await flooding.get("/things")).status_code == 401
        await exhaust(superuser, subject_of_address(address))
        await until_status(flooding, 429)
        assert (await known.get("/things")).status_code == 200
    # A key that was never seen here has to wait outside, or come from elsewhere.
    async with process.client(address, fresh) as here, process.client(random_address(), fresh) as elsewhere:
        assert (await here.get("/things")).status_code == 429
        assert (await elsewhere.get("/things")).status_code == 200
        assert (await here.get("/things")).status_code == 200


async def until_status(client: httpx2.AsyncClient, status: int, *, path: str = "/things") -> float:
    """Ask until the answer has this status, for at most HOLDS_S; return how many seconds that took."""
    began = time.monotonic()
    while (answer := await client.get(path)).status_code != status:
        assert time.monotonic() - began < HOLDS_S, f"still {answer.status_code} {answer.text} after {HOLDS_S} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_everyone_without_a_key_is_limited_together(process: Process, superuser: asyncpg.Connection) -> None:
    try:
        await exhaust(superuser, EVERYONE)
        async with process.client(random_address()) as one, process.client(random_address()) as two:
            assert {(await client.get("/")).status_code for client in (one, two)} == {429}
            refused = await one.get("/")
            assert "together" in refused.json()["error"]["message"]
    finally:
        await superuser.execute("UPDATE mainstay.request_counters SET backlog = 0 WHERE subject_id = $1", EVERYONE.id)


async def test_response_tells_how_the_limits_stand(
    process: Process, owner_database: Database, tenant: TestTenant
) -> None:
    _, secret = await make_key(owner_database, tenant, Limits(None, None, 3))
    async with process.client(random_address(), secret) as client:
        answers = [await client.get("/things") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0", "0"]
    last = answers[-1]
    assert last.headers["x-ratelimit-limit-requests"] == "3"
    assert re.fullmatch(r"(\d+m)?\d+s|\d+ms|1h0m0s", last.headers["x-ratelimit-reset-requests"])
    policy = last.headers["ratelimit-policy"]
    assert policy == '"tenant-burst";q=20;w=4, "tenant-hour";q=2000;w=3600, "key-hour";q=3;w=3600'
    assert re.search(r'"key-hour";r=0;t=\d+', last.headers["ratelimit"])
    assert 1 <= int(last.headers["retry-after"]) <= 3600
    assert last.json()["error"]["type"] == "rate_limit_error"
    assert "3 requests an hour" in last.json()["error"]["message"]


async def test_official_client_raises_its_own_error_and_does_not_wait_for_an_hour(system: TestSystem) -> None:
    admin = await system.member()
    capped = await system.member("service", of=admin)
    client = system.openai(capped).with_options(max_retries=2)
    assert (await client.models.with_raw_response.list()).headers["x-ratelimit-limit-requests"]
    await cap(admin, capped, "key_id", {"requests_per_hour": 0})
    await until_status(capped.http, 429, path="/v1/models")
    with pytest.raises(openai.RateLimitError) as refused:
        await client.models.list()
    assert refused.value.code == "rate_limit_exceeded"
    # With more than a minute to go the client is told not to try again, which it would do at once.
    wait_s = int(refused.value.response.headers["retry-after"])
    assert (refused.value.response.headers.get("x-should-retry") == "false") == (wait_s > 60)


async def test_cap_that_is_reached_stops_a_key_everywhere_and_is_audited_once(
    database_urls: DatabaseUrls, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    outer_id, secret = await make_key(owner_database, tenant, Limits(None, None, 6))
    _, other = await make_key(owner_database, tenant)
    async with server_process(database_urls.app) as first, server_process(database_urls.app) as second:
        clients = [process.client(random_address(), secret) for process in (first, second)]
        answers = [await clients[turn % 2].get("/things") for turn in range(20)]
        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [200] * statuses.count(200) + [429] * statuses.count(429)
        # What one process holds and does not use comes back, and then all of them were admitted.
        deadline = time.monotonic() + 5
        while statuses.count(200) < 6 and time.monotonic() < deadline:
            statuses.append((await clients[len(statuses) % 2].get("/things")).status_code)
        assert statuses.count(200) == 6
        await asyncio.gather(*(client.get("/things") for client in clients * 10))
        async with first.client(random_address(), other) as free:
            assert (await free.get("/things")).status_code == 200
        rows = await superuser.fetch(
            "SELECT target_id, outcome, facts, principal_id FROM mainstay.audit_entries"
            " WHERE tenant_id = $1 AND action = 'cap.reach'",
            tenant.tenant_id,
        )
        assert [(row["target_id"], row["outcome"]) for row in rows] == [(outer_id, "denied")]
        assert rows[0]["principal_id"] == tenant.admin_id
        assert '"requests_per_hour": 6' in rows[0]["facts"]
        # A higher cap lets it go on within a second, and no cap for ever.
        async with owner_database.write(tenant.admin) as tx:
            await limits.set_cap(tx, outer_id, Limits(None, None, 1000))
        for client in clients:
            await until_status(client, 200)
            await client.aclose()


async def test_change_of_a_plan_holds_in_every_process_within_a_second(
    database_urls: DatabaseUrls, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    name, plan = await name_and_plan(superuser, tenant)
    _, secret = await make_key(owner_database, tenant)
    await set_tenant_plan(SETTINGS, database_urls.owner, tenant=name, plan="scale")
    async with server_process(database_urls.app) as first, server_process(database_urls.app) as second:
        clients = [process.client(random_address(), secret) for process in (first, second)]
        for client in clients:
            await until_status(client, 200)
        # Another plan, then another limit of that plan, each seen by both.
        await set_tenant_plan(SETTINGS, database_urls.owner, tenant=name, plan=plan)
        for client in clients:
            await until_status(client, 429)
        await change_plan(SETTINGS, database_urls.owner, plan, Limits(requests_per_hour=100_000))
        for client in clients:
            await until_status(client, 200)
            await client.aclose()
    actions = await superuser.fetch(
        "SELECT action, facts FROM mainstay.audit_entries WHERE tenant_id = $1 ORDER BY id", tenant.tenant_id
    )
    told = [row["action"] for row in actions if row["action"] in ("tenant.set_plan", "plan.change")]
    assert told == ["tenant.set_plan", "tenant.set_plan", "plan.change"]


async def name_and_plan(superuser: asyncpg.Connection, tenant: TestTenant) -> tuple[str, str]:
    """Return the tenant's name and a plan of nobody else, which allows nothing."""
    plan = f"p-{secrets.token_hex(4)}"
    await superuser.execute("INSERT INTO mainstay.plans VALUES ($1, true, 1000, 1000, 0)", plan)
    name = await superuser.fetchval("SELECT name FROM mainstay.tenants WHERE tenant_id = $1", tenant.tenant_id)
    return name, plan


async def test_revoked_key_is_refused_at_once_and_no_longer_known(
    process: Process, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    address = random_address()
    _, secret = await make_key(owner_database, tenant)
    async with process.client(address, secret) as client:
        assert (await client.get("/things")).status_code == 200
        await superuser.execute(
            "UPDATE mainstay.api_keys SET revoked_at = now() WHERE tenant_id = $1", tenant.tenant_id
        )
        assert (await client.get("/things")).status_code == 401
        await exhaust(superuser, subject_of_address(address))
        assert await until_status(client, 429) < HOLDS_S


async def test_revoked_key_that_has_nothing_left_is_soon_no_key(
    process: Process, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    """Its holder goes on with another key, so that it stays known that nothing is left, and this one stays unproved."""
    revoked_id, revoked = await make_key(owner_database, tenant)
    _, living = await make_key(owner_database, tenant)
    async with process.client(random_address(), revoked) as client, process.client(random_address(), living) as other:
        assert (await client.get("/things")).status_code == 200
        await exhaust(superuser, Subject("tenant", tenant.tenant_id, tenant.tenant_id))
        await until_status(client, 429)
        key_id = decode_id("key_", revoked_id)
        await superuser.execute("UPDATE mainstay.api_keys SET revoked_at = now() WHERE id = $1", key_id)
        revoked_at = time.monotonic()
        while (status := (await client.get("/things")).status_code) == 429:
            assert (await other.get("/things")).status_code == 429
            assert time.monotonic() - revoked_at < HOLDS_S
        # And it stays none: the process does not know it any more.
        assert {status, *[(await client.get("/things")).status_code for _ in range(20)]} == {401}


async def test_what_cannot_be_counted_is_refused_with_a_key_and_bounded_without(
    database_urls: DatabaseUrls, owner_database: Database, tenant: TestTenant
) -> None:
    """As after a fail-over to a replica that only reads: keys can be proved, and nothing can be counted."""
    _, secret = await make_key(owner_database, tenant)
    async with server_process(f"{database_urls.app}?default_transaction_read_only=on") as replica:
        async with replica.client(random_address(), secret) as client:
            refused = await client.get("/things")
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "limits_unavailable"
            assert refused.headers["retry-after"]
        async with replica.client(random_address()) as flooding:
            answers = [await flooding.get("/page/page.js") for _ in range(400)]
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429}
        assert KEYLESS_DEFAULT.requests_burst is not None
        assert statuses[: KEYLESS_DEFAULT.requests_burst // 2] == [200] * (KEYLESS_DEFAULT.requests_burst // 2)


async def test_row_that_somebody_holds_locked_is_waited_for_in_time(
    process: Process, owner_database: Database, tenant: TestTenant, superuser: asyncpg.Connection
) -> None:
    _, secret = await make_key(owner_database, tenant)
    async with process.client(random_address(), secret) as client:
        assert (await client.get("/things")).status_code == 200
        began = time.monotonic()
        async with superuser.transaction():
            await superuser.execute(
                "SELECT FROM mainstay.request_counters WHERE tenant_id = $1 FOR UPDATE", tenant.tenant_id
            )
            while (answer := await client.get("/things")).status_code == 200:
                assert time.monotonic() - began < TAKE_TIMEOUT_S
        assert answer.json()["error"]["code"] == "limits_unavailable"
        assert time.monotonic() - began < TAKE_TIMEOUT_S + 2
        await until_status(client, 200)


async def test_caller_reads_what_holds_for_it(system: TestSystem) -> None:
    admin = await system.member(plan="team")
    capped = await system.member("service", of=admin)
    await cap(admin, capped, "principal_id", {"requests_per_hour": 77})
    found = await capped.call("GET", "/v1/limits")
    assert found["plan"] == "team"
    assert [(one["subject"], one["window"], one["limit"]) for one in found["data"]] == [
        ("tenant", "burst", 200),
        ("tenant", "hour", 50000),
        ("principal", "hour", 77),
    ]
    assert all(0 < one["remaining"] <= one["limit"] for one in found["data"])
    assert len((await admin.call("GET", "/v1/limits"))["data"]) == 2


async def test_caps_are_set_by_those_who_manage_keys_on_what_their_tenant_has(system: TestSystem) -> None:
    admin = await system.member()
    stranger = await system.member()
    customer = await system.member("customer", of=admin)
    capped = await system.member("owner", of=admin)
    principal_id = await cap(admin, capped, "principal_id", {"requests_per_second": 2})
    path = f"/v1/limits/{principal_id}"
    set_again = await admin.call("PUT", path, json={"requests_per_second": 2.5})
    assert (set_again["requests_per_second"], set_again["requests_burst"]) == (2.5, 2)
    await customer.call("PUT", path, status=403, json={"requests_per_hour": 1})
    await stranger.call("PUT", path, status=404, json={"requests_per_hour": 1})
    await admin.call("PUT", f"/v1/limits/{encode_id('key_', new_id())}", status=404, json={"requests_per_hour": 1})
    for wrong in ({"requests_per_hour": -1}, {"requests_per_second": 0}, {"requests_burst": 5}):
        assert (await admin.call("PUT", path, status=400, json=wrong))["error"]["param"] in wrong
    assert (await admin.call("PUT", path, json={}))["requests_per_second"] is None
    actions = [row["action"] for row in (await admin.call("GET", "/v1/audit"))["data"]]
    assert actions.count("cap.set") == 2
    assert actions.count("cap.remove") == 1


async def test_flood_of_one_tenant_ends_in_429_alone_and_the_other_tenant_is_served(system: TestSystem) -> None:
    flooding, other = await system.member(plan="free"), await system.member()
    flood = [flooding.http.get("/v1/models") for _ in range(150)]
    answers, served = await asyncio.gather(
        asyncio.gather(*flood), asyncio.gather(*(other.http.get("/v1/models") for _ in range(20)))
    )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 20
    assert {answer.status_code for answer in served} == {200}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0ms"), (0.0191, "20ms"), (0.5, "500ms"), (1.0, "1s"), (59.2, "1m0s"), (360, "6m0s"), (3600, "1h0m0s")],
)
def test_durations_read_as_those_of_openai(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_headers_of_no_limit_say_nothing() -> None:
    assert list(headers_of(Standing([]))) == []
    quota = Quota(EVERYONE, "hour", 10, 0, 3600, 100.0)
    refused = dict(headers_of(Standing([quota], 100.2)))
    assert refused["retry-after"] == "101"
    assert refused["x-should-retry"] == "false"
    assert "x-should-retry" not in dict(headers_of(Standing([quota], 59.0)))
