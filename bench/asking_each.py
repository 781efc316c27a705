"""What limits cost without leases: a process that asks the database for each request. Started by `bench.limits`."""

import asyncio
import sys

from mainstay.control.access.models import Caller
from mainstay.control.limits import store
from mainstay.control.limits.admission import subjects_of
from mainstay.control.limits.models import Ask
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import configure_logging
from tests.support.limited_process import serve


class AskingEach:
    """Takes one request of each limit at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.calls = 0

    async def admit(self, _: str, caller: Caller) -> None:
        """Count one request; the limits of the bench are never reached."""
        self.calls += 1
        async with self._database.keyhole_statements() as tx:
            await store.take_requests(tx, [Ask(subject, 1) for subject in subjects_of(caller)])

    async def close(self) -> None:
        """Hold nothing, so put nothing back."""


if __name__ == "__main__":
    configure_logging("limited", level="ERROR")
    asyncio.run(serve(sys.argv[1], AskingEach))
