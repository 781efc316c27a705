"""A job exists exactly if its transaction commits, once per key, within its limits."""

import asyncio

import pytest

from mainstay.kernel.errors import Invalid
from mainstay.platform.jobs import JobKind, PostgresWakeups, enqueue, store
from tests.platform.jobs.conftest import Lab
from tests.support.database import DatabaseUrls
from tests.support.jobs import DEADLINE_S, QUICK, apart, commit_effect, eventually
from tests.support.tenants import TestTenant


async def claim_all(lab: Lab, *kinds: JobKind, lease_s: float = 60.0) -> list[store.Lease]:
    async with lab.database.keyhole() as tx:
        return list(
            await store.claim(
                tx, queues=[lab.queue], kinds=[k.name for k in kinds], worker="test", count_max=100, lease_s=lease_s
            )
        )


async def test_enqueue_committed_exists(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind(attempts_max=7), {"file": "a", "pages": [1, 2]})
    job = await lab.table.job(job_id)
    assert (job["state"], job["attempt"], job["attempts_max"], job["tenant_id"], job["principal_id"]) == (
        "queued", 0, 7, lab.tenant.tenant_id, lab.tenant.admin_id,
    )  # fmt: skip
    (lease,) = await claim_all(lab, lab.kind())
    (claimed,) = await store.load(lab.database, [lease])
    assert (claimed.payload, claimed.attempt, claimed.request_id) == ({"file": "a", "pages": [1, 2]}, 1, "test")


async def test_enqueue_rolled_back_does_not_exist(lab: Lab) -> None:
    async def enqueue_two() -> None:
        async with lab.database.write(lab.tenant.admin) as tx:
            await enqueue(tx, lab.kind(), {}, request_id="test")
            await enqueue(tx, lab.kind(), {}, request_id="test", delay_s=-1)

    with pytest.raises(Invalid):
        await enqueue_two()
    assert await lab.table.states(lab.queue) == {}


async def test_enqueue_with_a_key_returns_the_waiting_job(lab: Lab) -> None:
    first = await lab.enqueue(lab.kind(), unique_key="document 1")
    assert await lab.enqueue(lab.kind(), unique_key="document 1") == first
    assert await lab.enqueue(lab.kind(), unique_key="document 2") != first
    assert await lab.enqueue(lab.kind("other"), unique_key="document 1") != first
    assert await lab.enqueue(lab.kind()) != await lab.enqueue(lab.kind())
    (lease,) = [lease for lease in await claim_all(lab, lab.kind()) if lease.job_id == first]
    assert await lab.enqueue(lab.kind(), unique_key="document 1") == first
    async with lab.database.write(lease.scope) as tx:
        await store.finish(tx, lease)
    assert await lab.enqueue(lab.kind(), unique_key="document 1") != first


async def test_enqueue_with_the_key_of_another_tenant_adds_a_job(lab: Lab, other_tenant: TestTenant) -> None:
    first = await lab.enqueue(lab.kind(), unique_key="document 1")
    async with lab.database.write(other_tenant.admin) as tx:
        assert await enqueue(tx, lab.kind(), {}, request_id="test", unique_key="document 1") != first


async def test_enqueue_with_a_key_concurrently_adds_one(lab: Lab) -> None:
    ids = await asyncio.gather(*(lab.enqueue(lab.kind(), unique_key="one") for _ in range(30)))
    assert len(set(ids)) == 1
    assert await lab.table.states(lab.queue) == {"queued": 1}


async def test_job_found_by_its_key_waits_for_the_transaction_that_found_it(lab: Lab) -> None:
    """Whatever that transaction wrote, the job will see."""
    first = await lab.enqueue(lab.kind(), unique_key="one")
    async with lab.database.write(lab.tenant.admin) as tx:
        assert await enqueue(tx, lab.kind(), {}, request_id="test", unique_key="one") == first
        assert await apart(claim_all(lab, lab.kind())) == []
    assert [lease.job_id for lease in await claim_all(lab, lab.kind())] == [first]


async def test_delayed_job_is_not_claimed_before_its_time(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind(), delay_s=3600)
    assert await claim_all(lab, lab.kind()) == []
    await lab.table.make_due(lab.queue)
    assert [lease.job_id for lease in await claim_all(lab, lab.kind())] == [job_id]


@pytest.mark.parametrize(
    ("payload", "given", "sentence"),
    [
        ({"text": "x" * 9000}, {}, "has 9011 bytes, not at most 8192: pass an id"),
        ({}, {"unique_key": "k" * 201}, "has 201 characters, not 1 to 200"),
        ({}, {"unique_key": ""}, "has 0 characters"),
        ({}, {"delay_s": -1}, "is -1 s, not 0 to 2592000"),
    ],
)
async def test_enqueue_beyond_a_limit_is_refused(lab: Lab, payload: object, given: dict, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        await lab.enqueue(lab.kind(), payload, **given)
    assert await lab.table.states(lab.queue) == {}


async def test_notification_wakes_a_worker_that_would_not_look_for_an_hour(
    lab: Lab, database_urls: DatabaseUrls
) -> None:
    limits = type(QUICK)(**{**vars(QUICK), "poll_s": 3600.0})
    handler = lab.handler(commit_effect)
    async with lab.working(handler, limits=limits, wakeups=PostgresWakeups(database_urls.app)):
        for _ in range(3):
            await lab.enqueue(handler.kind)
            await eventually(lambda: lab.are_all("succeeded"), deadline_s=DEADLINE_S)


async def test_notification_names_the_queue_and_nothing_else(lab: Lab, database_urls: DatabaseUrls) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listening = asyncio.create_task(PostgresWakeups(database_urls.app).listen(heard.put_nowait))
    async with asyncio.timeout(DEADLINE_S):
        assert await heard.get() is None
        await lab.enqueue(lab.kind(), {"secret": "of a tenant"}, delay_s=60)
        await lab.enqueue(lab.kind(), {"secret": "of a tenant"})
        assert await heard.get() == lab.queue
        assert heard.empty()
    listening.cancel()
    await asyncio.wait([listening])


async def test_listener_comes_back_when_its_connection_is_ended(lab: Lab, database_urls: DatabaseUrls) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listening = asyncio.create_task(PostgresWakeups(database_urls.app).listen(heard.put_nowait))
    async with asyncio.timeout(DEADLINE_S):
        assert await heard.get() is None
        assert await lab.table.end_backends("mainstay-wakeups") >= 1
        assert await heard.get() is None
        await lab.enqueue(lab.kind())
        while await heard.get() != lab.queue:
            pass
    listening.cancel()
    await asyncio.wait([listening])
