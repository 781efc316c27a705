"""Tenants share few connections and misbehave on them; nobody ever sees another's row or misses its own (goal S.T4).

Transactions end well, in exceptions, cancelled, by a statement's deadline, and with their backend killed; some leave a
scope on the session for whoever comes next. Directly and through PgBouncer, which gives each transaction any session.
"""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest

from mainstay.kernel.errors import Unavailable
from mainstay.knowledge.documents import service as documents
from mainstay.platform.postgres import Database, PoolLimits
from mainstay.platform.postgres.queries import parse_queries
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database
from tests.support.figures import Figures
from tests.support.pgbouncer import find_pgbouncer, pgbouncer
from tests.support.tenants import TestTenant, make_tenant

TENANTS = 32
CONNECTIONS = 8
AT_ONCE = 64
DEEP_TRANSACTIONS = 20_000
SHORT_TRANSACTIONS = 40
STATEMENT_TIMEOUT_S = 2.0

QUERIES = parse_queries(
    """
-- name: names
-- Every store that the transaction can see; the filter of the tenant is left to row security.
SELECT name FROM mainstay.stores
-- name: pause
-- Waits.
SELECT pg_sleep(:seconds)
-- name: shorten
-- Lets the next statement of this transaction run out of time.
SELECT set_config('statement_timeout', '1', true)
-- name: leave_scope
-- Leaves a scope on the session, beyond the transaction.
SELECT set_config('mainstay.scope', :scope, false)
""",
    origin="tests",
)


class Mischief(Exception):
    """What a handler of ours might raise."""


@dataclass
class Abuse:
    """The pool, who uses it, and what they saw."""

    database: Database
    superuser: asyncpg.Connection
    login: str
    owners: list[tuple[TestTenant, str]]
    seen: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(3))  # noqa: S311  (not for secrets)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def work(self, transactions: int) -> None:
        for _ in range(transactions):
            tenant, canary = self.chance.choice(self.owners)
            way = self.chance.choices(
                ("well", "exception", "cancel", "timeout", "scope left", "backend killed"), (90, 3, 2, 1, 3, 0.2)
            )[0]
            try:
                async with asyncio.timeout(0.002 if way == "cancel" else None):
                    await self.one(tenant, canary, way)
            except (Mischief, TimeoutError, Unavailable) as end:
                self.ends[f"{way}: {type(end).__name__}"] += 1
            else:
                self.ends[way] += 1

    async def one(self, tenant: TestTenant, canary: str, way: str) -> None:
        scope = self.chance.choice((tenant.admin, tenant.customer))
        async with self.database.read(scope) as tx:
            self.judge(canary, [row["name"] for row in await tx.fetch(QUERIES["names"])])
            match way:
                case "exception":
                    raise Mischief
                case "cancel":
                    await tx.fetch(QUERIES["pause"], seconds=0.05)
                case "timeout":
                    await tx.fetch(QUERIES["shorten"])
                    await tx.fetch(QUERIES["pause"], seconds=0.05)
                case "scope left":
                    await tx.fetch(QUERIES["leave_scope"], scope=SCOPE_KEY.sign(scope))
                case "backend killed":
                    await self.kill_one()
            self.judge(canary, [row["name"] for row in await tx.fetch(QUERIES["names"])])

    def judge(self, canary: str, names: list[str]) -> None:
        self.seen["reads"] += 1
        self.seen["rows of others"] += sum(name != canary for name in names)
        self.seen["own rows missing"] += canary not in names

    async def kill_one(self) -> None:
        async with self.lock:
            await self.superuser.fetchval(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = $1 AND datname = current_database() ORDER BY random() LIMIT 1",
                self.login,
            )


@pytest.fixture
async def urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    """A database whose sessions may be killed without hurting another test."""
    async with scratch_database(superuser_url) as made:
        yield made


async def abuse(urls: DatabaseUrls, url: str, limits: PoolLimits, transactions: int) -> Abuse:
    """Let the tenants loose on a pool and return what they saw."""
    owner = await Database.connect(urls.owner, scope_key=SCOPE_KEY, as_owner=True)
    database = await Database.connect(url, limits, scope_key=SCOPE_KEY)
    superuser = await asyncpg.connect(urls.superuser)
    owners: list[tuple[TestTenant, str]] = []
    for _ in range(TENANTS):
        tenant, canary = await make_tenant(owner), f"canary{secrets.token_hex(8)}"
        async with database.write(tenant.admin) as tx:
            await documents.create_store(tx, name=canary, metadata={}, visibility="tenant")
        owners.append((tenant, canary))
    login = await database.current_role()
    let_loose = Abuse(database, superuser, login, owners)
    try:
        share = TENANTS * transactions // AT_ONCE
        await asyncio.gather(*(let_loose.work(share) for _ in range(AT_ONCE)))
    finally:
        for opened in (database, owner, superuser):
            await opened.close()
    return let_loose


def check(found: Abuse, how: str, figures: Figures) -> None:
    """Record what was tried, and fail on any row too many or too few, or where a kind of mischief did not happen."""
    wrong = found.seen["rows of others"] + found.seen["own rows missing"]
    told = f"reads are judged; transactions ended {dict(found.ends)}"
    figures.record(f"reads on an abused pool, {how}", found.seen["reads"] - wrong, unit=told, tried=found.seen["reads"])
    assert found.seen["reads"] > TENANTS
    assert found.seen["rows of others"] == 0
    assert found.seen["own rows missing"] == 0
    for tried in ("well", "exception: Mischief", "cancel: TimeoutError", "timeout: Unavailable", "scope left"):
        assert found.ends[tried], f"'{tried}' never happened"
    assert sum(count for end, count in found.ends.items() if "killed" in end)


async def through_pgbouncer(urls: DatabaseUrls, transactions: int, figures: Figures) -> None:
    program = find_pgbouncer()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    with pgbouncer(program, urls.app, sessions_max=CONNECTIONS) as url:
        limits = PoolLimits(connections_max=AT_ONCE, statement_timeout_s=STATEMENT_TIMEOUT_S, pooled=True)
        check(await abuse(urls, url, limits, transactions), "through PgBouncer", figures)


async def test_abused_pool_keeps_tenants_apart(urls: DatabaseUrls, record_figure: Figures) -> None:
    limits = PoolLimits(connections_max=CONNECTIONS, statement_timeout_s=STATEMENT_TIMEOUT_S)
    check(await abuse(urls, urls.app, limits, SHORT_TRANSACTIONS), "directly", record_figure)


async def test_abused_pooler_keeps_tenants_apart(urls: DatabaseUrls, record_figure: Figures) -> None:
    await through_pgbouncer(urls, SHORT_TRANSACTIONS, record_figure)


@pytest.mark.deep
@pytest.mark.timeout(2700)
@pytest.mark.parametrize("how", ["directly", "through PgBouncer"])
async def test_pool_abused_for_long_keeps_tenants_apart(urls: DatabaseUrls, record_figure: Figures, how: str) -> None:
    if how == "directly":
        limits = PoolLimits(connections_max=CONNECTIONS, statement_timeout_s=STATEMENT_TIMEOUT_S)
        check(await abuse(urls, urls.app, limits, DEEP_TRANSACTIONS), how, record_figure)
    else:
        await through_pgbouncer(urls, DEEP_TRANSACTIONS, record_figure)
