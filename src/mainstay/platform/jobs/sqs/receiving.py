"""The receiving half: a message wakes the worker, and is kept from others until the jobs that it brought have ended."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import structlog

from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs.sqs.client import SqsClient
from mainstay.platform.jobs.sqs.held import HeldMessages
from mainstay.platform.jobs.sqs.limits import BATCH_MAX, SqsLimits
from mainstay.platform.jobs.sqs.metrics import HELD, RECEIVED
from mainstay.platform.jobs.wakeups import Wake, Wakeups

log = structlog.get_logger(__name__)


class SqsWakeups(Wakeups):
    """Receives for a worker, as long as it has a free slot: what it could not work on, others shall have.

    Nothing is lost if any call here fails: a message that is not deleted comes once too often, one that is not kept
    hidden comes again while its jobs run, and the claim decides both times.
    """

    def __init__(self, client: SqsClient, queues: Sequence[str], limits: SqsLimits) -> None:
        self._client = client
        self._queues = queues
        self._limits = limits
        self._held = HeldMessages()
        self._room = 0
        self._stopping = False
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()

    async def listen(self, wake: Wake) -> None:
        """Receive until cancelled, then delete what is done and give back what is not."""
        try:
            async with asyncio.TaskGroup() as group:
                for queue in self._queues:
                    group.create_task(self._receive(queue, wake), name=f"sqs.receive:{queue}")
                group.create_task(self._keep_hidden(), name="sqs.visibility")
                group.create_task(self._delete_done(), name="sqs.delete")
        finally:
            await self._let_go()

    def claiming(self, free: int) -> None:
        """Take note of the room that there is; see HeldMessages.claiming."""
        self._room = free
        self._held.claiming()
        self._changed.set()

    def claimed(self, jobs: Mapping[UUID, str]) -> None:
        """Take note of the room that is left; see HeldMessages.claimed."""
        self._room -= len(jobs)
        self._held.claimed(jobs)
        self._changed.set()
        self._ended.set()

    def ended(self, job_id: UUID) -> None:
        """See HeldMessages.ended; the messages are deleted soon."""
        self._held.ended(job_id)
        self._ended.set()

    def stopping(self) -> None:
        """Receive nothing more; what is on its way is given back as it arrives."""
        self._stopping = True

    async def _receive(self, queue: str, wake: Wake) -> None:
        failures = 0
        while True:
            while not self._may_receive(queue):
                self._changed.clear()
                await self._changed.wait()
            asked_at = time.monotonic()
            try:
                receipts = await self._client.receive(queue, min(self._room, BATCH_MAX))
            except MainstayError as error:
                failures += 1
                log.warning("sqs.unheard", queue=queue, failures=failures, reason=error.message, code=error.code)
                await asyncio.sleep(_backoff_s(failures, self._limits.retry_s_max))
                continue
            failures = 0
            RECEIVED.labels(queue).inc(len(receipts))
            if receipts and (self._stopping or self._room <= 0):
                await self._hide(queue, receipts, 0)
            elif receipts:
                self._held.arrive(queue, receipts)
                HELD.set(sum(map(len, self._held.held().values())))
                wake(queue)
            elif time.monotonic() - asked_at < self._limits.empty_pause_s:
                await asyncio.sleep(self._limits.empty_pause_s)

    def _may_receive(self, queue: str) -> bool:
        return not self._stopping and self._room > 0 and self._held.is_settled(queue)

    async def _keep_hidden(self) -> None:
        while True:
            # A third, so that two calls may fail before others see the messages.
            await asyncio.sleep(self._limits.visibility_s / 3)
            await _each_batch(self._held.held(), self._prolong)

    async def _prolong(self, queue: str, receipts: Sequence[str]) -> None:
        self._held.forget(await self._hide(queue, receipts, self._limits.visibility_s))

    async def _delete_done(self) -> None:
        while True:
            await self._ended.wait()
            await asyncio.sleep(self._limits.delete_linger_s)
            self._ended.clear()
            await _each_batch(self._held.take_done(), self._delete)
            HELD.set(sum(map(len, self._held.held().values())))

    async def _delete(self, queue: str, receipts: Sequence[str]) -> None:
        try:
            left = await self._client.delete(queue, receipts)
        except MainstayError as error:
            log.warning("sqs.undeleted", queue=queue, messages=len(receipts), reason=error.message)
            return
        if left:
            log.warning("sqs.undeleted", queue=queue, messages=left)

    async def _hide(self, queue: str, receipts: Sequence[str], for_s: int) -> Sequence[str]:
        try:
            return await self._client.hide(queue, receipts, for_s)
        except MainstayError as error:
            log.warning("sqs.visibility_unchanged", queue=queue, messages=len(receipts), reason=error.message)
            return ()

    async def _let_go(self) -> None:
        async def show(queue: str, receipts: Sequence[str]) -> None:
            await self._hide(queue, receipts, 0)

        try:
            async with asyncio.timeout(self._limits.close_s):
                await _each_batch(self._held.take_done(), self._delete)
                await _each_batch(self._held.held(), show)
        except TimeoutError:
            log.warning("sqs.messages_left", advice="they come again after their visibility timeout")
        HELD.set(0)


async def _each_batch(
    receipts: Mapping[str, Sequence[str]], call: Callable[[str, Sequence[str]], Awaitable[None]]
) -> None:
    """Call with each queue and at most BATCH_MAX of its receipts, one after the other."""
    for queue, of_queue in receipts.items():
        for start in range(0, len(of_queue), BATCH_MAX):
            await call(queue, of_queue[start : start + BATCH_MAX])


def _backoff_s(failures: int, s_max: float) -> float:
    return random.uniform(0, min(s_max, 0.5 * 2 ** min(failures, 8)))  # noqa: S311
