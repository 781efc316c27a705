"""The transports that the contract is held against, each as a test meets it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mainstay.platform.jobs import Duty, PostgresWakeups, Wakeups, WorkerLimits
from mainstay.platform.jobs.sqs import SqsAddress, SqsLimits, open_sqs
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import QUICK
from tests.support.sqs_stub import ACCOUNT, StubSqs

REGION = "eu-central-1"
# A worker on SQS that looks for nothing by itself: whatever it does, a message told it to, or the look did.
DEAF = replace(QUICK, poll_s=3600.0)
# Seconds where production has tens of them, so that what is lost comes back within a test.
SQS_QUICK = SqsLimits(
    wait_s=2, visibility_s=3, announce_s=0.5, delete_linger_s=0.02, retry_s_max=0.2, empty_pause_s=0.1, close_s=5.0
)


@dataclass
class Transport:
    """One engine: a database whose commits it hears of, and what a worker needs of it."""

    name: str
    database: Database
    limits: WorkerLimits
    wakeups: Callable[[Sequence[str]], Wakeups]
    duties: Sequence[Duty] = ()
    # How many messages wait and are hidden; for those that have messages.
    depth: Callable[[str], tuple[int, int]] | None = None
    losing: bool = False


@dataclass
class CountingWakeups(Wakeups):
    """Hands all on to a transport, and counts the claims."""

    inner: Wakeups
    claims: int = 0
    running: set[object] = field(default_factory=set)

    async def listen(self, wake: Callable[[str | None], None]) -> None:
        await self.inner.listen(wake)

    def claiming(self, free: int) -> None:
        self.claims += free > 0
        self.inner.claiming(free)

    def claimed(self, jobs: object) -> None:
        self.inner.claimed(jobs)  # type: ignore[arg-type]

    def ended(self, job_id: object) -> None:
        self.inner.ended(job_id)  # type: ignore[arg-type]

    def stopping(self) -> None:
        self.inner.stopping()


@contextmanager
def aws_environment() -> Iterator[None]:
    """Credentials that are nobody's, where boto3 looks for them, and none of the machine's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"):
            patch.delenv(name, raising=False)
        yield


@contextmanager
def running_moto() -> Iterator[str]:
    """Moto's server on a port of its own; returns its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class MotoQueues:
    """The account as who sets it up sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = boto3.client("sqs", region_name=REGION, endpoint_url=address)

    def create(self, name: str, **attributes: str) -> str:
        return self.client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def has(self, name: str) -> bool:
        return any(url.endswith(f"/{name}") for url in self.client.list_queues().get("QueueUrls", ()))

    def depth(self, name: str) -> tuple[int, int]:
        shown, hidden = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        url = f"{self.address}/{ACCOUNT}/{name}"
        found = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=[shown, hidden])["Attributes"]
        return int(found[shown]), int(found[hidden])


@asynccontextmanager
async def database_of(urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(urls.app, application="tests-transport", scope_key=SCOPE_KEY)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def over_postgres(urls: DatabaseUrls) -> AsyncIterator[Transport]:
    async with database_of(urls) as database:
        yield Transport("postgres", database, QUICK, lambda _: PostgresWakeups(urls.app))


@asynccontextmanager
async def over_sqs(
    urls: DatabaseUrls, queues: MotoQueues | StubSqs, queue: str, limits: SqsLimits = SQS_QUICK
) -> AsyncIterator[Transport]:
    if not queues.has(f"test-{queue}"):
        queues.create(f"test-{queue}")
    address = SqsAddress.parse(f"{queues.address}/{ACCOUNT}/test-", REGION)
    losing = isinstance(queues, StubSqs) and queues.faults.lost_sends > 0
    async with database_of(urls) as database, open_sqs(database, address, limits) as sqs:
        yield Transport(
            f"sqs on {type(queues).__name__}",
            database,
            DEAF,
            sqs.wakeups,
            [sqs.duty],
            lambda name: queues.depth(f"test-{name}"),
            losing,
        )
