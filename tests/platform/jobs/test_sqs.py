"""What SQS adds to the contract: when messages are sent, what they say, whom they are kept from, and its failures."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace

import pytest

from mainstay.platform.jobs import JobRun, enqueue
from mainstay.platform.jobs.models import QueueDue
from mainstay.platform.jobs.sqs import InvalidSqsAddress, SqsAddress, SqsLimits, SqsRefused, SqsUnavailable, open_sqs
from mainstay.platform.jobs.sqs.announcing import Announcer
from mainstay.platform.jobs.sqs.client import SqsClient
from mainstay.platform.jobs.sqs.metrics import ANNOUNCED
from mainstay.platform.jobs.sqs.receiving import SqsWakeups
from mainstay.platform.postgres import PortCalledInTransaction
from tests.platform.jobs.conftest import Lab
from tests.support.database import DatabaseUrls
from tests.support.jobs import DEADLINE_S, commit_effect, enqueue_one, eventually
from tests.support.sqs_stub import ACCOUNT, NONE, StubSqs, running_stub
from tests.support.transport_worker import TransportChild
from tests.support.transports import (
    REGION,
    SQS_QUICK,
    MotoQueues,
    Transport,
    aws_environment,
    over_sqs,
    running_moto,
)

# No look makes up for a message: here each of them counts.
UNLOOKED = replace(SQS_QUICK, announce_s=3600.0)


@pytest.fixture
def stub() -> Iterator[StubSqs]:
    with aws_environment(), running_stub(NONE) as stub:
        yield stub


@pytest.fixture
async def sqs(database_urls: DatabaseUrls, stub: StubSqs, queue: str) -> AsyncIterator[Transport]:
    async with over_sqs(database_urls, stub, queue, UNLOOKED) as transport:
        yield transport


@pytest.fixture
def over(lab: Lab, sqs: Transport) -> Lab:
    return replace(lab, database=sqs.database)


def client_of(address: str, limits: SqsLimits = SQS_QUICK) -> SqsClient:
    return SqsClient(SqsAddress.parse(f"{address}/{ACCOUNT}/test-", REGION), limits)


async def depth_is(transport: Transport, queue: str, *wanted: int) -> None:
    assert transport.depth is not None
    depth = transport.depth

    async def is_so() -> bool:
        return await asyncio.to_thread(depth, queue) == wanted

    await eventually(is_so)


async def test_message_alone_wakes_a_worker_for_each_job(over: Lab, sqs: Transport) -> None:
    """Neither poll nor look for an hour: at once, after a delay, after a retry, after a hand-back."""
    handler = over.handler(commit_effect)
    async with over.working(handler, limits=sqs.limits, wakeups=sqs.wakeups([over.queue]), duties=sqs.duties):
        for delay_s in (0, 0, 0.5):
            job_id = await over.enqueue(handler.kind, delay_s=delay_s)
            await eventually(lambda job_id=job_id: over.is_in(job_id, "succeeded"))


async def test_look_alone_finds_what_was_never_announced(
    lab: Lab, database_urls: DatabaseUrls, stub: StubSqs, queue: str
) -> None:
    """The process died between its commit and its message: no listener, no message."""
    async with over_sqs(database_urls, stub, queue) as sqs:
        handler = lab.handler(commit_effect)
        job_ids = [await enqueue_one(lab.database, lab.tenant.admin, handler.kind) for _ in range(5)]
        assert sum(stub.depth(f"test-{queue}")) == 0
        async with lab.working(handler, limits=sqs.limits, wakeups=sqs.wakeups([queue]), duties=sqs.duties):
            await eventually(lambda: lab.are_all("succeeded"))
    assert await lab.table.effects(queue) == sorted((job_id, "done") for job_id in job_ids)


async def test_message_names_the_queue_and_is_sent_after_the_commit_alone(
    over: Lab, sqs: Transport, stub: StubSqs
) -> None:
    async with over.database.write(over.tenant.admin) as tx:
        for _ in range(100):
            await enqueue(tx, over.kind(), {"secret": "of a tenant"}, request_id="test")
        await asyncio.sleep(0.1)
        assert stub.calls["SendMessageBatch"] == 0
    await depth_is(sqs, over.queue, 1, 0)
    assert stub.bodies(f"test-{over.queue}") == {over.queue}
    assert stub.calls["SendMessageBatch"] == 1, "of one commit, one message tells"


async def test_call_within_a_transaction_is_refused(over: Lab, stub: StubSqs) -> None:
    client = client_of(stub.address)
    with pytest.raises(PortCalledInTransaction, match="'sqs' was called while a write transaction was open"):
        async with over.database.write(over.tenant.admin):
            await client.send(over.queue, [0])
    client.close()


async def test_flush_sends_ten_to_a_call_and_of_each_delay_one(stub: StubSqs) -> None:
    stub.create("test-a")
    announcer = Announcer(client_of(stub.address), SQS_QUICK)
    announcer.tell([QueueDue("a", delay_s / 2) for delay_s in range(50)])
    announcer.tell([QueueDue("a", 900), QueueDue("a", 900.5), QueueDue("a", 86_400), "a note of someone else"])
    await announcer.flush()
    # 0 to 25 s in whole seconds, and 900 s; what is due later than SQS can wait is left to the look.
    assert sum(stub.depth("test-a")) == 27
    assert stub.calls["SendMessageBatch"] == 3
    await announcer.flush()
    assert stub.calls["SendMessageBatch"] == 3


async def test_what_is_noted_last_is_sent_before_the_process_ends(
    lab: Lab, database_urls: DatabaseUrls, stub: StubSqs, queue: str
) -> None:
    """One send is on its way, and slow, when the next is noted and the process closes."""
    async with over_sqs(database_urls, stub, queue, UNLOOKED) as sqs:
        stub.answers_after_s = 0.3
        await enqueue_one(sqs.database, lab.tenant.admin, lab.kind())
        await asyncio.sleep(0.1)
        await enqueue_one(sqs.database, lab.tenant.admin, lab.kind())
    assert sum(stub.depth(f"test-{queue}")) == 2


async def test_look_makes_the_depth_that_of_the_due_jobs(over: Lab, sqs: Transport, stub: StubSqs) -> None:
    """What a scaler reads: no worker runs, 25 jobs are due and one is not."""
    announcer = Announcer(client_of(stub.address), replace(SQS_QUICK, wakeups_max=40))
    async with over.database.write(over.tenant.admin) as tx:
        for _ in range(25):
            await enqueue(tx, over.kind(), {}, request_id="test")
        await enqueue(tx, over.kind(), {}, request_id="test", delay_s=3600)
    await depth_is(sqs, over.queue, 1, 0)
    await announcer.look(over.database)
    await announcer.look(over.database)
    await depth_is(sqs, over.queue, 25, 0)
    async with over.database.write(over.tenant.admin) as tx:
        for _ in range(25):
            await enqueue(tx, over.kind(), {}, request_id="test")
    await announcer.look(over.database)
    assert 40 <= stub.depth(f"test-{over.queue}")[0] <= 41, "no more than the limit, and the one of the commit"


async def test_busy_worker_leaves_messages_to_others(over: Lab, sqs: Transport, stub: StubSqs) -> None:
    """Its one slot is taken, so it receives nothing: the second worker has the second job at once."""
    release = asyncio.Event()

    async def hold(run: JobRun) -> None:
        await release.wait()
        await commit_effect(run)

    one = replace(sqs.limits, concurrency=1)
    async with over.working(over.handler(hold), limits=one, wakeups=sqs.wakeups([over.queue])):
        await eventually(lambda: _has_called(stub, "ReceiveMessage"))
        first = await over.enqueue(over.kind())
        await eventually(lambda: over.is_in(first, "running"))
        await depth_is(sqs, over.queue, 0, 1)
        received = stub.calls["ReceiveMessage"]
        second = await over.enqueue(over.kind())
        await depth_is(sqs, over.queue, 1, 1)
        await asyncio.sleep(0.5)
        assert stub.calls["ReceiveMessage"] == received, "it asks for what it has no slot for"
        async with over.working(over.handler(commit_effect), limits=one, wakeups=sqs.wakeups([over.queue])):
            await eventually(lambda: over.is_in(second, "succeeded"))
            await depth_is(sqs, over.queue, 0, 1)
        release.set()
        await eventually(lambda: over.is_in(first, "succeeded"))
        await depth_is(sqs, over.queue, 0, 0)


async def _has_called(stub: StubSqs, action: str) -> bool:
    return stub.calls[action] > 0


async def test_stopped_worker_leaves_one_message_for_the_job_it_hands_back(
    over: Lab, sqs: Transport, stub: StubSqs
) -> None:
    """It is there at once, and not after a visibility timeout: the old one is deleted, a new one is sent."""

    async def hold(_: JobRun) -> None:
        await asyncio.Event().wait()

    # With one slot, no receive is on its way while the job runs.
    limits = replace(sqs.limits, concurrency=1, drain_s=0.1, lease_s=3600.0)
    async with over.working(over.handler(hold), limits=limits, wakeups=sqs.wakeups([over.queue])):
        await eventually(lambda: _has_called(stub, "ReceiveMessage"))
        job_id = await over.enqueue(over.kind())
        await eventually(lambda: over.is_in(job_id, "running"))
        await depth_is(sqs, over.queue, 0, 1)
    assert await over.state(job_id) == "queued"
    await depth_is(sqs, over.queue, 1, 0)
    assert stub.calls["DeleteMessageBatch"] == 1


async def test_message_stays_hidden_for_as_long_as_its_job_runs(over: Lab, sqs: Transport, stub: StubSqs) -> None:
    """Longer than its visibility timeout, and nobody else is woken meanwhile."""
    release = asyncio.Event()

    async def hold(run: JobRun) -> None:
        await release.wait()
        await commit_effect(run)

    async with over.working(over.handler(hold), limits=sqs.limits, wakeups=sqs.wakeups([over.queue])):
        await eventually(lambda: _has_called(stub, "ReceiveMessage"))
        job_id = await over.enqueue(over.kind())
        await eventually(lambda: over.is_in(job_id, "running"))
        await depth_is(sqs, over.queue, 0, 1)
        end = time.monotonic() + UNLOOKED.visibility_s + 1.5
        while time.monotonic() < end:
            assert stub.depth(f"test-{over.queue}") == (0, 1)
            await asyncio.sleep(0.05)
        release.set()
        await depth_is(sqs, over.queue, 0, 0)


async def test_message_of_a_killed_worker_comes_again(over: Lab, sqs: Transport, stub: StubSqs) -> None:
    given = {"sqs_prefix": f"{stub.address}/{ACCOUNT}/test-", "sqs_limits": asdict(UNLOOKED)}
    child = await TransportChild.begin(url=over.url, queue=over.queue, limits=asdict(sqs.limits), **given)
    over.stack.push_async_callback(child.kill)
    await eventually(lambda: _has_called(stub, "ReceiveMessage"))
    job_id = await over.enqueue(over.kind("endless"))
    assert await child.hears("started") == [str(job_id), "1"]
    await depth_is(sqs, over.queue, 0, 1)
    await child.kill()
    await depth_is(sqs, over.queue, 1, 0)


async def test_message_that_no_claim_has_settled_is_given_back(stub: StubSqs) -> None:
    """The worker stops while its claim waits for the database: the message would stay hidden for an hour."""
    stub.create("test-a")
    client = client_of(stub.address, replace(SQS_QUICK, visibility_s=3600))
    await client.send("a", [0, 0])
    woken = asyncio.Event()
    wakeups = SqsWakeups(client, ["a"], SQS_QUICK)
    wakeups.claiming(1)
    listening = asyncio.create_task(wakeups.listen(lambda _: woken.set()))
    await asyncio.wait_for(woken.wait(), DEADLINE_S)
    assert stub.depth("test-a") == (1, 1)
    listening.cancel()
    await asyncio.wait([listening])
    assert stub.depth("test-a") == (2, 0)
    client.close()


async def test_send_that_fails_changes_nothing(over: Lab, stub: StubSqs) -> None:
    """Nobody listens at that address: the commit stands, and the failure is counted."""
    announcer = Announcer(client_of("http://127.0.0.1:1", replace(SQS_QUICK, connect_s=0.2)), SQS_QUICK)
    over.database.on_commit(announcer.tell)
    job_id = await over.enqueue(over.kind())
    assert await over.state(job_id) == "queued"
    await announcer.flush()
    assert _announced(over.queue, "sqs_unavailable") == 1


def _announced(queue: str, outcome: str) -> float:
    return ANNOUNCED.labels(queue, "commit", outcome)._value.get()


async def test_worker_outlives_an_sqs_that_is_away(lab: Lab, database_urls: DatabaseUrls) -> None:
    """It finds its jobs by looking, and does not knock in a loop."""
    with aws_environment():
        address = SqsAddress.parse(f"http://127.0.0.1:1/{ACCOUNT}/test-", REGION)
        limits = replace(SQS_QUICK, retry_s_max=30.0)
        async with open_sqs(lab.database, address, limits) as sqs:
            await sqs.check([lab.queue])
            handler = lab.handler(commit_effect)
            async with lab.working(handler, wakeups=sqs.wakeups([lab.queue]), duties=[sqs.duty]):
                job_id = await lab.enqueue(handler.kind)
                await eventually(lambda: lab.is_in(job_id, "succeeded"))


async def test_slow_sqs_is_given_up_after_its_deadline_and_stops_nobody(stub: StubSqs) -> None:
    stub.create("test-a")
    client = client_of(stub.address, replace(SQS_QUICK, call_s=0.5))
    stub.answers_after_s = 4.0
    started = time.monotonic()
    with pytest.raises(SqsUnavailable, match="did not answer get_queue_attributes for 'a' in time"):
        await client.count("a")
    assert time.monotonic() - started < 3.0
    client.close()


async def test_queue_that_is_missing_is_one_sentence(stub: StubSqs) -> None:
    client = client_of(stub.address)
    with pytest.raises(SqsRefused, match=r"/test-a-b: .*does not exist.* Create it, or correct"):
        await client.count("a.b")
    client.close()


async def test_missing_credentials_are_one_sentence(stub: StubSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = client_of(stub.address)
    with pytest.raises(SqsRefused, match="No credentials for SQS were found"):
        await client.count("a")
    client.close()


@pytest.mark.parametrize(
    ("prefix", "region", "found"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/mainstay-", None, "eu-central-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/m-", "eu-west-1", "us-gov-west-1"),
        ("https://vpce-0a-1b.sqs.us-east-1.vpce.amazonaws.com/123456789012/m-", None, "us-east-1"),
        ("http://127.0.0.1:4566/000000000000/m-", "eu-west-3", "eu-west-3"),
    ],
)
def test_region_is_read_from_the_address_where_it_stands_there(prefix: str, region: str | None, found: str) -> None:
    address = SqsAddress.parse(prefix, region)
    assert address.region == found
    assert address.url("documents.ingest") == f"{prefix}documents-ingest"
    assert prefix.startswith(address.endpoint)


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("mainstay-", "is not what the URLs of SQS queues begin with"),
        ("https://sqs.eu-central-1.amazonaws.com/", "is not what the URLs of SQS queues begin with"),
        ("http://127.0.0.1:4566/000000000000/m-", "names no region of AWS: set AWS_REGION"),
    ],
)
def test_address_that_cannot_be_right_is_one_sentence(prefix: str, sentence: str) -> None:
    with pytest.raises(InvalidSqsAddress, match=sentence):
        SqsAddress.parse(prefix, None)


def test_name_that_is_too_long_for_sqs_is_refused() -> None:
    address = SqsAddress.parse(f"https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/mainstay-production-", None)
    with pytest.raises(InvalidSqsAddress, match="has 84 characters, not at most 80: shorten the prefix"):
        address.url("q" * 64)


async def test_wakeup_in_the_dead_letter_queue_costs_no_job(lab: Lab, database_urls: DatabaseUrls, queue: str) -> None:
    """Three workers have taken the message and died: SQS puts it aside, and the job runs all the same."""
    with aws_environment(), running_moto() as address:
        moto = MotoQueues(address)
        moto.create(f"dead-{queue}")
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-{queue}"
        policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "3"}}'
        url = moto.create(f"test-{queue}", RedrivePolicy=policy)
        moto.client.send_message(QueueUrl=url, MessageBody=queue)
        for _ in range(4):
            await asyncio.to_thread(moto.client.receive_message, QueueUrl=url, VisibilityTimeout=0)
        assert moto.depth(f"dead-{queue}") == (1, 0)
        job_id = await enqueue_one(lab.database, lab.tenant.admin, lab.kind())
        async with over_sqs(database_urls, moto, queue) as sqs:
            given = {"limits": sqs.limits, "wakeups": sqs.wakeups([queue]), "duties": sqs.duties}
            async with lab.working(lab.handler(commit_effect), **given):
                await eventually(lambda: lab.is_in(job_id, "succeeded"))
