"""The whole product as it is run: the server and the worker as processes of their own, with their logs in files."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from mainstay.config import Settings
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.system import READY_DEADLINE_S, TestSystem

STOP_DEADLINE_S = 30.0


@dataclass(frozen=True)
class RunningProcesses:
    """What runs, and the files that its processes write their logs to."""

    system: TestSystem
    logs: tuple[Path, ...]


@asynccontextmanager
async def running_processes(
    urls: DatabaseUrls, owner: Database, models: Path, home: Path
) -> AsyncGenerator[RunningProcesses]:
    """Run server and worker, at the log level that tells most, until the block ends."""
    (home / "models").symlink_to(models)
    port = _free_port()
    environment = {
        **os.environ,
        "MAINSTAY_HOME": str(home),
        "MAINSTAY_PORT": str(port),
        "MAINSTAY_APP_DATABASE_URL": urls.app,
        "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex(),
        "MAINSTAY_LOG_LEVEL": "DEBUG",
    }
    settings = Settings(MAINSTAY_HOME=home, MAINSTAY_APP_DATABASE_URL=urls.app)  # type: ignore[call-arg]
    address = f"http://127.0.0.1:{port}"
    logs = (home / "server.log", home / "worker.log")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(_process("mainstay.edge.server", environment, logs[0]))
        await stack.enter_async_context(_process("mainstay.edge.worker", environment, logs[1]))
        await _ready(address, server, logs[0])
        system = TestSystem(address, settings, owner, urls)
        try:
            yield RunningProcesses(system, logs)
        finally:
            for client in system.clients:
                await (client.aclose() if isinstance(client, httpx2.AsyncClient) else client.close())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def _process(module: str, environment: dict[str, str], log: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_DEADLINE_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ready(address: str, server: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(READY_DEADLINE_S), httpx2.AsyncClient(base_url=address, trust_env=False) as http:
        while True:
            assert server.returncode is None, f"the server ended before it was ready; see {log}"
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
