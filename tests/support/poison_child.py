"""`python -m tests.support.poison_child URL QUEUE DECLARED TIMEOUT_S HANDLE`: a process for single jobs of a test."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mainstay.platform.jobs import JobRegistry
from mainstay.platform.jobs.isolation.child import JobSystem, main
from mainstay.platform.postgres import Database, PoolLimits
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.jobs import QUICK
from tests.support.poison import poison_handlers


@asynccontextmanager
async def system() -> AsyncIterator[JobSystem]:
    url, queue, declared, timeout_s = sys.argv[1:5]
    limits = PoolLimits(connections_max=2)
    database = await Database.connect(url, limits, application=f"job-{queue}", scope_key=SCOPE_KEY)
    try:
        handlers = poison_handlers(queue, declared=declared == "1", timeout_s=float(timeout_s))
        yield JobSystem(database, JobRegistry(handlers), QUICK)
    finally:
        await database.close()


if __name__ == "__main__":
    configure_logging("poison-child")
    sys.exit(main(system, int(sys.argv[5])))
