"""What tells a worker that there may be work. A wake-up is a hint: it may come late, twice or never."""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

import asyncpg
import structlog

from mainstay.platform.jobs.store import CHANNEL

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 1.0
RECONNECT_S_MAX = 15.0

Wake = Callable[[str | None], None]


class Wakeups(Protocol):
    """A transport of wake-ups, such as PostgreSQL's notifications or a queue of messages."""

    async def listen(self, wake: Wake) -> None:
        """Call `wake` with the name of a queue, or None for all, until cancelled."""
        ...


class PostgresWakeups:
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
