"""`python -m tests.support.transport_worker JSON`: a worker over a transport, with probes, to be killed and stopped."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mainstay.edge.worker.health import HealthAddress
from mainstay.edge.worker.process import main
from mainstay.platform.jobs import JobHandler, JobRegistry, JobRun, PostgresWakeups, Worker, WorkerLimits
from mainstay.platform.jobs.sqs import SqsAddress, SqsLimits, open_sqs
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY
from tests.support.job_worker import say
from tests.support.jobs import REPOSITORY, WorkerChild, child_handlers, kind


class TransportChild(WorkerChild):
    """Such a worker, spoken to by lines as WorkerChild is."""

    @classmethod
    async def begin(cls, **given: Any) -> "TransportChild":
        """Start it with `url`, `queue` and `limits`, and `sqs_prefix` with `sqs_limits`, or `health_port`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.transport_worker", json.dumps(given),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=REPOSITORY,
        )  # fmt: skip
        return cls(process)


@asynccontextmanager
async def system(given: Mapping[str, Any], on_beat: Callable[[], None]) -> AsyncIterator[Worker]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def hear() -> str:
        return (await reader.readline()).decode()

    async def never_end(run: JobRun) -> None:
        say(f"started {run.job_id} {run.attempt}")
        await asyncio.Event().wait()

    endless = JobHandler(kind("endless", given["queue"], timeout_s=3600.0), never_end)
    registry = JobRegistry([*child_handlers(given["queue"], say, hear), endless])
    limits = WorkerLimits(**given["limits"])
    async with AsyncExitStack() as stack:
        stack.callback(say, "closed")
        database = await Database.connect(given["url"], application=f"worker-{given['queue']}", scope_key=SCOPE_KEY)
        stack.push_async_callback(database.close)
        wakeups, duties = PostgresWakeups(given["url"]), []
        if "sqs_prefix" in given:
            address = SqsAddress.parse(given["sqs_prefix"], "eu-central-1")
            sqs = await stack.enter_async_context(open_sqs(database, address, SqsLimits(**given["sqs_limits"])))
            wakeups, duties = sqs.wakeups(registry.queues), [sqs.duty]
        yield Worker(database, registry, limits, wakeups=wakeups, duties=duties, on_beat=on_beat)


def run(given: Mapping[str, Any]) -> int:
    health = HealthAddress("127.0.0.1", given["health_port"]) if "health_port" in given else None
    return main(lambda on_beat: system(given, on_beat), health=health)


if __name__ == "__main__":
    configure_logging("transport-worker")
    sys.exit(run(json.loads(sys.argv[1])))
