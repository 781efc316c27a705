"""What is noted in a transaction is told after its commit: once, outside of it, and never when there was none."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from mainstay.kernel.errors import Unavailable
from mainstay.platform.jobs import JobKind, enqueue
from mainstay.platform.postgres import Database, outside_transaction
from mainstay.platform.postgres.database import AFTER_COMMIT_FAILED
from mainstay.platform.postgres.queries import parse_queries
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.tenants import TestTenant

QUERIES = parse_queries(
    """
-- name: revoke_keys
-- A change that the runtime role may make.
UPDATE mainstay.api_keys SET revoked_at = now() WHERE tenant_id = :tenant_id AND revoked_at IS NULL
-- name: any_job
-- A row of the tenant.
SELECT id FROM mainstay.jobs WHERE tenant_id = :tenant_id
-- name: end_backend
-- Ends the session of this transaction, as the login whose session it is.
SELECT set_config('role', 'none', true), pg_terminate_backend(pg_backend_pid())
""",
    origin="tests",
)


@pytest.fixture
async def own_database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """A database whose listeners no other test has."""
    opened = await Database.connect(database_urls.app, application="tests-commits", scope_key=SCOPE_KEY)
    yield opened
    await opened.close()


async def test_notes_are_told_in_order_after_the_commit_and_outside_of_it(
    own_database: Database, tenant: TestTenant
) -> None:
    told: list[object] = []

    def listen(notes: Sequence[object]) -> None:
        outside_transaction("a listener")
        told.extend(notes)

    own_database.on_commit(listen)
    async with own_database.write(tenant.admin) as tx:
        tx.after_commit("first")
        tx.after_commit("second")
        assert told == []
    assert told == ["first", "second"]
    async with own_database.keyhole() as tx:
        tx.after_commit("of no tenant")
    async with own_database.keyhole_statements() as tx:
        tx.after_commit("of statements")
    async with own_database.read(tenant.admin):
        pass
    assert told == ["first", "second", "of no tenant", "of statements"]


async def test_listener_finds_the_transaction_committed(own_database: Database, tenant: TestTenant) -> None:
    """Another connection sees what the commit wrote while the listener is told."""
    looks: list[asyncio.Task[object]] = []

    async def look() -> object:
        async with own_database.read(tenant.admin) as tx:
            return await tx.fetch_value(QUERIES["any_job"])

    own_database.on_commit(lambda _: looks.append(asyncio.create_task(look())))
    async with own_database.write(tenant.admin) as tx:
        job_id = await enqueue(tx, JobKind("test.none", "nobody_works", timeout_s=1), {}, request_id="test")
        tx.after_commit("added")
    assert await looks[0] == job_id


async def test_rolled_back_transaction_tells_nothing(own_database: Database, tenant: TestTenant) -> None:
    told: list[object] = []
    own_database.on_commit(told.extend)

    async def write(query: str | None) -> None:
        async with own_database.write(tenant.admin) as tx:
            tx.after_commit("never")
            if query is None:
                raise RuntimeError
            await tx.execute(QUERIES[query])

    with pytest.raises(RuntimeError):
        await write(None)
    with pytest.raises(AssertionError, match="without an audit row"):
        await write("revoke_keys")
    with pytest.raises(Unavailable):
        await write("end_backend")
    assert told == []


async def test_failing_listener_is_counted_and_changes_nothing(own_database: Database, tenant: TestTenant) -> None:
    told: list[object] = []

    def fail(_: Sequence[object]) -> None:
        raise RuntimeError("cannot tell anybody")

    own_database.on_commit(fail)
    own_database.on_commit(told.extend)
    counter = AFTER_COMMIT_FAILED.labels(fail.__qualname__)
    before = counter._value.get()
    async with own_database.write(tenant.admin) as tx:
        tx.after_commit("told all the same")
    assert told == ["told all the same"]
    assert counter._value.get() == before + 1
