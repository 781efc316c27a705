"""The sending half: after a commit, never within one, a message says which queue has something to do."""

import asyncio
import math
from collections.abc import Sequence

import structlog

from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs import store
from mainstay.platform.jobs.models import QueueDue
from mainstay.platform.jobs.sqs.client import SqsClient
from mainstay.platform.jobs.sqs.limits import BATCH_MAX, DELAY_S_MAX, SqsLimits
from mainstay.platform.jobs.sqs.metrics import ANNOUNCED
from mainstay.platform.postgres import Database

log = structlog.get_logger(__name__)


class Announcer:
    """Sends what transactions note. A message that cannot be sent is counted and forgotten: the look makes up for it.

    While one flush is on its way, what is noted gathers for the next; of each queue and delay a flush sends one.
    """

    def __init__(self, client: SqsClient, limits: SqsLimits) -> None:
        self._client = client
        self._limits = limits
        self._pending: dict[str, set[int]] = {}
        self._noted = asyncio.Event()
        self._closing = False
        self._sending: asyncio.Task[None] | None = None

    def tell(self, notes: Sequence[object]) -> None:
        """Take what a committed transaction noted; a listener of the database."""
        for note in notes:
            # Whole seconds, and never before the job is due. What is due later than SQS can wait, the look finds.
            if isinstance(note, QueueDue) and (delay_s := math.ceil(note.delay_s)) <= DELAY_S_MAX:
                self._pending.setdefault(note.queue, set()).add(max(0, delay_s))
                self._noted.set()

    def start(self) -> None:
        """Send from now on, until closed."""
        self._sending = asyncio.create_task(self._run(), name="sqs.announce")
        self._sending.add_done_callback(_report_broken)

    async def flush(self) -> None:
        """Send what was noted until now."""
        self._noted.clear()
        pending, self._pending = self._pending, {}
        await asyncio.gather(*(self._send(queue, sorted(delays_s), "commit") for queue, delays_s in pending.items()))

    async def look(self, database: Database) -> None:
        """Announce due jobs again: send each queue as many messages as it has fewer than due jobs, within a limit.

        So a message that was lost costs time and no job, and the depth of a queue of messages tells a scaler what
        waits, whichever way the jobs became due.
        """
        async with database.keyhole() as tx:
            due = await store.count_due(tx, self._limits.wakeups_max)
        await asyncio.gather(*(self._top_up(queue, jobs) for queue, jobs in due.items()))

    async def close(self) -> None:
        """Send what is left, as far as there is time: a worker that stops has just handed its jobs back."""
        if self._sending is None:
            return
        self._closing = True
        self._noted.set()
        await asyncio.wait((self._sending,), timeout=self._limits.close_s)
        if not self._sending.done():
            log.warning("sqs.unsent", advice="due jobs are announced again by the next look of any process")
            self._sending.cancel()
            await asyncio.wait((self._sending,))

    async def _run(self) -> None:
        while not self._closing:
            await self._noted.wait()
            await self.flush()
        # What was noted while the last flush was on its way.
        await self.flush()

    async def _top_up(self, queue: str, jobs: int) -> None:
        try:
            waiting = await self._client.count(queue)
        except MainstayError as error:
            self._failed(queue, "look", jobs, error)
            return
        await self._send(queue, [0] * (jobs - waiting), "look")

    async def _send(self, queue: str, delays_s: Sequence[int], reason: str) -> None:
        for start in range(0, len(delays_s), BATCH_MAX):
            batch = delays_s[start : start + BATCH_MAX]
            try:
                refused = await self._client.send(queue, batch)
            except MainstayError as error:
                self._failed(queue, reason, len(delays_s) - start, error)
                return
            ANNOUNCED.labels(queue, reason, "sent").inc(len(batch) - refused)
            if refused:
                ANNOUNCED.labels(queue, reason, "refused").inc(refused)

    def _failed(self, queue: str, reason: str, messages: int, error: MainstayError) -> None:
        log.warning("sqs.unannounced", queue=queue, reason=error.message, code=error.code)
        ANNOUNCED.labels(queue, reason, error.code).inc(messages)


def _report_broken(sending: asyncio.Task[None]) -> None:
    if not sending.cancelled() and (error := sending.exception()) is not None:
        log.error("sqs.announcing_broke", exc_info=error, advice="due jobs are announced by looks alone from here on")
