"""What tells a worker that there may be work. A wake-up is a hint: it may come late, twice or never."""

import asyncio
import random
from collections.abc import Callable, Mapping
from uuid import UUID

import asyncpg
import structlog

from mainstay.platform.jobs.store import CHANNEL

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 1.0
RECONNECT_S_MAX = 15.0

Wake = Callable[[str | None], None]


class Wakeups:
    """A transport of wake-ups as its worker sees it. This one carries none: the worker finds its jobs by looking.

    What a worker tells of its claims is for transports that keep a message until its jobs have ended; the others
    leave those methods as they are. They must not wait.
    """

    async def listen(self, wake: Wake) -> None:
        """Call `wake` with the name of a queue, or None for all, until cancelled."""
        del wake
        await asyncio.Event().wait()

    def claiming(self, free: int) -> None:
        """A claim begins, or would if there were a free slot: what has arrived until now is asked for by it."""

    def claimed(self, jobs: Mapping[UUID, str]) -> None:
        """The claim that began last has succeeded with these jobs, each with the name of its queue."""

    def ended(self, job_id: UUID) -> None:
        """A claimed job has ended for this worker, however it did."""

    def stopping(self) -> None:
        """No other claim will follow."""


class PostgresWakeups(Wakeups):
    """LISTEN on a connection of its own, straight to PostgreSQL: a transaction pooler would lose the listener."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def listen(self, wake: Wake) -> None:
        """Call `wake` for each notification until cancelled; a lost connection is opened again."""
        failures = 0
        while True:
            try:
                await self._listen_once(wake)
                failures = 0
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                failures += 1
                log.warning("wakeups.unavailable", failures=failures, reason=str(error) or type(error).__name__)
            await asyncio.sleep(random.uniform(0, min(RECONNECT_S_MAX, 0.5 * 2 ** min(failures, 8))))  # noqa: S311

    async def _listen_once(self, wake: Wake) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=CONNECT_TIMEOUT_S,
            server_settings={"application_name": "mainstay-wakeups"},
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, lambda _c, _pid, _channel, queue: wake(str(queue)))
            # What was sent before the listener stood is known to nobody.
            wake(None)
            await lost.wait()
            log.warning("wakeups.lost")
        finally:
            await _close(connection)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        connection.terminate()
