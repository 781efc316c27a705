"""`python -m tests.support.limited_process URL`: a process that asks for admission as fast as it is told.

Reads one line of JSON (tenant_id, principal_id, key_id, rate, tasks, until) and prints one: what was admitted, refused
and failed, how often the database was asked, and the processor time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from mainstay.control.access.models import Caller
from mainstay.control.limits.admission import Admission
from mainstay.control.limits.errors import LimitsUnavailable, RateLimited
from mainstay.platform.postgres import Database
from mainstay.platform.telemetry import configure_logging
from tests.support.database import SCOPE_KEY

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 90.0


class Admits(Protocol):
    """What is asked: the product's admission, or another that a bench holds beside it."""

    calls: int

    async def admit(self, key: str, caller: Caller) -> object: ...
    async def close(self) -> None: ...


async def serve(url: str, make: Callable[[Database], Admits] = Admission) -> None:
    database = await Database.connect(url, application="limited", scope_key=SCOPE_KEY)
    print("ready", flush=True)
    wanted: dict[str, Any] = json.loads(await asyncio.to_thread(sys.stdin.readline))
    print(json.dumps(await demand(make(database), wanted)), flush=True)
    await database.close()


async def demand(admission: Admits, wanted: Mapping[str, Any]) -> dict[str, float]:
    """Ask `rate` times a second (0: without a pause) in some tasks together, until a moment of the wall clock."""
    caller = Caller(
        UUID(wanted["tenant_id"]), UUID(wanted["principal_id"]), UUID(wanted["key_id"]), "admin", "req_limited"
    )
    counts = {"admitted": 0, "refused": 0, "failed": 0}
    tasks, pause_s = wanted["tasks"], wanted["tasks"] / wanted["rate"] if wanted["rate"] else 0.0

    async def ask(number: int) -> None:
        due = time.time() + pause_s * number / tasks
        while (now := time.time()) < wanted["until"]:
            if due > now:
                await asyncio.sleep(due - now)
            due += pause_s
            try:
                await admission.admit("ms_key", caller)
                counts["admitted"] += 1
            except RateLimited as refused:
                counts["refused"] += 1
                if not pause_s:
                    await asyncio.sleep(min(refused.standing.retry_after_s, 0.01))
            except LimitsUnavailable:
                counts["failed"] += 1

    began = time.process_time()
    await asyncio.gather(*(ask(number) for number in range(tasks)))
    cpu_s = time.process_time() - began
    await admission.close()
    return {**counts, "cpu_s": cpu_s, "calls": admission.calls}


@dataclass
class LimitedProcess:
    """One such process, as its parent sees it."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, url: str, module: str = "tests.support.limited_process") -> "LimitedProcess":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
        )  # fmt: skip
        started = cls(process)
        assert await started.line() == "ready"
        return started

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self.process.stdout.readline()).decode().strip()

    async def demand(self, wanted: Mapping[str, Any]) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(wanted).encode() + b"\n")
        await self.process.stdin.drain()
        counts = json.loads(await self.line())
        await self.process.wait()
        return counts


async def demand_of_processes(
    url: str, count: int, wanted: Mapping[str, Any], *, seconds: float, module: str = "tests.support.limited_process"
) -> list[dict[str, float]]:
    """Let `count` processes ask at the same time, and return what each of them counted."""
    processes = await asyncio.gather(*(LimitedProcess.start(url, module) for _ in range(count)))
    until = time.time() + seconds
    return await asyncio.gather(*(process.demand({**wanted, "until": until}) for process in processes))


if __name__ == "__main__":
    configure_logging("limited", level="ERROR")
    asyncio.run(serve(sys.argv[1]))
