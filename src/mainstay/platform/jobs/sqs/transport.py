"""SQS as the transport of one process: what it sends, what it receives, and the look that makes up for losses."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog

from mainstay.platform.jobs.duties import Duty
from mainstay.platform.jobs.sqs.address import SqsAddress
from mainstay.platform.jobs.sqs.announcing import Announcer
from mainstay.platform.jobs.sqs.client import SqsClient, SqsUnavailable
from mainstay.platform.jobs.sqs.limits import SqsLimits
from mainstay.platform.jobs.sqs.receiving import SqsWakeups
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


class SqsTransport:
    """Made by `open_sqs`; sends for as long as that is open."""

    def __init__(self, database: Database, client: SqsClient, announcer: Announcer, limits: SqsLimits) -> None:
        self._database = database
        self._client = client
        self._announcer = announcer
        self._limits = limits
        self.poll_s = limits.poll_s
        self.duty = Duty("jobs.announce", limits.announce_s, self._look)

    def wakeups(self, queues: Sequence[str]) -> SqsWakeups:
        """Return the receiving half, for the one worker of the process."""
        return SqsWakeups(self._client, queues, self._limits)

    async def check(self, queues: Sequence[str]) -> None:
        """Raise SqsRefused unless each queue of jobs has its queue of messages; if SQS is away, that is no obstacle."""
        try:
            await asyncio.gather(*(self._client.count(queue) for queue in queues))
        except SqsUnavailable as error:
            log.warning("sqs.unavailable", reason=error.message, advice="jobs are found by looking until it answers")

    async def _look(self) -> None:
        await self._announcer.look(self._database)


@asynccontextmanager
async def open_sqs(
    database: Database, address: SqsAddress, limits: SqsLimits | None = None
) -> AsyncGenerator[SqsTransport]:
    """Send a message for what the transactions of `database` make due, until the block ends."""
    limits = limits or SqsLimits()
    client = SqsClient(address, limits)
    announcer = Announcer(client, limits)
    database.on_commit(announcer.tell)
    announcer.start()
    try:
        yield SqsTransport(database, client, announcer, limits)
    finally:
        await announcer.close()
        client.close()
