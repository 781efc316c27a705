"""`python -m tests.platform.jobs.drills.poison_worker URL QUEUE DECLARED`: a worker with poison among its jobs."""

import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from mainstay.edge.worker.process import main
from mainstay.platform.jobs import JobRegistry, ProcessLimits, Worker
from mainstay.platform.postgres import Database, PoolLimits
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.jobs import QUICK
from tests.support.poison import MEMORY_MB, job_processes, poison_handlers

# A fifth of what production has, in the same proportions: a lease of 30 s and a stall of 20. Less, and a busy machine
# stalls a worker by itself.
LIMITS = replace(QUICK, lease_s=6.0, heartbeat_s=2.0, rescue_s=0.6)
STALL_S = 4.0
# What a poison that spins may take; what eats memory is slower than this on a busy machine.
TIMEOUT_S = 2.0
PROCESSES = ProcessLimits(undeclared_memory_mb_max=MEMORY_MB, answer_s=0.5)


@asynccontextmanager
async def system(on_beat: Callable[[], None]) -> AsyncIterator[Worker]:
    url, queue, declared = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
    database = await Database.connect(
        url, PoolLimits(connections_max=LIMITS.concurrency + 2), application="poisoned", scope_key=SCOPE_KEY
    )
    try:
        async with job_processes(url, queue, PROCESSES, declared=declared, timeout_s=TIMEOUT_S) as processes:
            registry = JobRegistry(poison_handlers(queue, declared=declared, timeout_s=TIMEOUT_S))
            yield Worker(database, registry, LIMITS, processes=processes, on_beat=on_beat)
    finally:
        await database.close()


def end_with_the_test() -> None:
    """End when standard input does, which is when whoever started us has gone."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_test, daemon=True).start()
    configure_logging("poisoned", level="CRITICAL")
    sys.exit(main(system, stall_s=STALL_S))
