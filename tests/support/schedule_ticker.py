"""`python -m tests.support.schedule_ticker URL`: ticks as a worker does, without a pause, and says each tick."""

import asyncio
import sys
from datetime import UTC, datetime

from mainstay.control.operations.schedule_clock import ScheduleClock, by_name
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.schedules import DRILLED


async def main(url: str) -> None:
    database = await Database.connect(url, application="ticker", scope_key=SCOPE_KEY)
    clock = ScheduleClock(database, by_name(DRILLED))
    print(f"clock {datetime.now(UTC).timestamp()}", flush=True)
    while True:
        try:
            await clock.fire()
        except Exception as error:  # noqa: BLE001 (the clock of the database jumps, and its timeouts with it)
            print(f"failed {type(error).__name__}", flush=True)
            continue
        print("tick", flush=True)


if __name__ == "__main__":
    configure_logging("ticker", level="ERROR")
    asyncio.run(main(sys.argv[1]))
