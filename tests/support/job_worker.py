"""`python -m tests.support.job_worker URL QUEUE LIMITS STALL_S`: a worker for tests to kill, stop and talk to."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mainstay.edge.worker.process import main
from mainstay.platform.jobs import JobRegistry, Worker, WorkerLimits
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.jobs import child_handlers


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@asynccontextmanager
async def system(on_beat: Callable[[], None]) -> AsyncIterator[Worker]:
    url, queue, limits = sys.argv[1:4]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def hear() -> str:
        return (await reader.readline()).decode()

    database = await Database.connect(url, application=f"worker-{queue}", scope_key=SCOPE_KEY)
    registry = JobRegistry(child_handlers(queue, say, hear))
    try:
        yield Worker(database, registry, WorkerLimits(**json.loads(limits)), on_beat=on_beat)
    finally:
        await database.close()
        say("closed")


if __name__ == "__main__":
    configure_logging("job-worker")
    sys.exit(main(system, stall_s=float(sys.argv[4])))
