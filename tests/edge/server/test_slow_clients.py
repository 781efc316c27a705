"""Slow clients are gone at their deadline, cost little, and do not slow down the others."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mainstay.edge.server.limits import EdgeLimits
from mainstay.platform.postgres import Database
from tests.support import slow_clients
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.edge import Edge, make_key, running_edge
from tests.support.figures import Figures
from tests.support.tenants import TestTenant

MIB = 2**20
# Beside a limit itself: two looks at it, the moment in which a refusal can be read, and a machine that is busy.
SLACK_S = 5.0


def deadlines(limits: EdgeLimits) -> Mapping[str, float]:
    """Return when each kind of slow client must be gone, without the slack."""
    return {
        "slow head": limits.headers_timeout_s,
        "slow json": limits.body_patience_s,
        "slow upload": limits.body_patience_s + limits.room_wait_s,
        "half open": limits.headers_timeout_s,
        "silent": limits.headers_timeout_s,
        "never reading": limits.response_stall_s,
    }


WAYS = {
    "slow head": slow_clients.slow_head,
    "slow json": slow_clients.slow_json,
    "slow upload": slow_clients.slow_upload,
    "half open": slow_clients.half_open,
    "silent": slow_clients.silent,
}


@dataclass
class Watched:
    """The most a process held while it was watched."""

    resident_bytes: int = 0
    spooled_bytes: int = 0

    async def run(self, pid: int) -> None:
        while True:
            self.resident_bytes = max(self.resident_bytes, slow_clients.resident_bytes(pid))
            self.spooled_bytes = max(self.spooled_bytes, _spooled_bytes(pid))
            await asyncio.sleep(0.25)


def _spooled_bytes(pid: int) -> int:
    """Return how much a process holds in temporary files, which have no name."""
    size = 0
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(handle.readlink()).endswith("(deleted)"):
                size += handle.stat().st_size
        except OSError:
            continue
    return size


def _record(gone: Mapping[str, Sequence[float]], limits: EdgeLimits, told: str, figures: Figures) -> None:
    in_time = sum(one <= _gone_s(name, limits) for name, seconds in gone.items() for one in seconds)
    latest = ", ".join(f"{name} {max(seconds):.1f} s" for name, seconds in gone.items())
    clients = sum(map(len, gone.values()))
    figures.record("slow clients gone in time", in_time, unit=f"latest: {latest}; {told}", tried=clients)


async def test_slow_clients_are_gone_at_their_deadline(
    database: Database, owner_database: Database, tenant: TestTenant, record_figure: Figures
) -> None:
    limits = EdgeLimits(headers_timeout_s=1.0, body_patience_s=0.6, response_stall_s=1.5, linger_s=0.5, room_wait_s=1.0)
    ways = {**WAYS, "never reading": slow_clients.never_reading("/v1/large/400")}
    async with running_edge(database, await make_key(owner_database, tenant), limits) as edge:
        before = await slow_clients.for_a_while(edge, "/healthz", 1.0, clients=4)
        stop = asyncio.Event()
        asking = asyncio.create_task(slow_clients.healthy(edge, "/healthz", stop, clients=4))
        gone = await slow_clients.attack(edge, ways, each=10)
        stop.set()
        during = await asking
    told = f"healthy p95 {before.p95_ms:.1f} ms before, {during.p95_ms:.1f} ms during"
    _record(gone, limits, told, record_figure)
    _assert_gone(gone, limits, each=10)
    assert not during.failures


def _assert_gone(gone: Mapping[str, Sequence[float]], limits: EdgeLimits, each: int) -> None:
    for name in deadlines(limits):
        assert len(gone[name]) == each
        assert max(gone[name]) <= _gone_s(name, limits), name


def _gone_s(name: str, limits: EdgeLimits) -> float:
    return deadlines(limits)[name] + limits.linger_s + SLACK_S


@pytest.mark.deep
@pytest.mark.timeout(300)
async def test_five_hundred_slow_clients_cost_little(
    database_urls: DatabaseUrls,
    owner_database: Database,
    tenant: TestTenant,
    models_folder: Path,
    tmp_path: Path,
    record_figure: Figures,
) -> None:
    limits = EdgeLimits()
    key = await make_key(owner_database, tenant)
    async with _server_process(database_urls, models_folder, tmp_path, key) as (edge, pid):
        path = f"/v1/files/{await _uploaded(edge, 8 * MIB)}/content"
        ways = {**WAYS, "never reading": slow_clients.never_reading(path)}
        healthy_path = "/v1/vector_stores"
        await slow_clients.for_a_while(edge, healthy_path, 3.0, clients=4)
        before = await slow_clients.for_a_while(edge, healthy_path, 10.0, clients=4)
        resident = slow_clients.resident_bytes(pid)
        watched, stop = Watched(), asyncio.Event()
        watching = asyncio.create_task(watched.run(pid))
        asking = asyncio.create_task(slow_clients.healthy(edge, healthy_path, stop, clients=4))
        gone = await slow_clients.attack(edge, ways, each=84)
        stop.set()
        during = await asking
        watching.cancel()
    grown = (watched.resident_bytes - resident) / MIB
    spooled = watched.spooled_bytes / MIB
    figures = (
        f"healthy p95 {before.p95_ms:.1f} ms before, {during.p95_ms:.1f} ms during ({len(during.seconds)} requests,"
        f" {len(during.failures)} failed); RSS +{grown:.0f} MiB; spooled at most {spooled:.0f} MiB"
    )
    _record(gone, limits, figures, record_figure)
    _assert_gone(gone, limits, each=84)
    assert during.p95_ms <= 2 * before.p95_ms
    assert not during.failures
    assert grown <= 100
    assert watched.spooled_bytes <= limits.upload_room_bytes


async def _uploaded(edge: Edge, size: int) -> str:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"a" * size + b"\r\n--x--\r\n"
    )
    head = edge.head("POST", "/v1/files", slow_clients.FORM, b"Content-Length: %d" % len(form))
    reply = await edge.send(head, form)
    assert reply.status == 200, reply.body
    return reply.json["id"]


@asynccontextmanager
async def _server_process(urls: DatabaseUrls, models: Path, home: Path, key: str) -> AsyncGenerator[tuple[Edge, int]]:
    """Run the server as `mainstay up` does: a process of its own, with the limits as they are."""
    (home / "models").symlink_to(models)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "MAINSTAY_HOME": str(home), "MAINSTAY_PORT": str(port)}
    environment |= {"MAINSTAY_APP_DATABASE_URL": urls.app, "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex()}
    command = [sys.executable, "-m", "mainstay.edge.server"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    edge = Edge(port, key)
    try:
        async with asyncio.timeout(60):
            while not await edge.is_ready():  # noqa: ASYNC110  (nor has HTTP)
                await asyncio.sleep(0.1)
        yield edge, process.pid
    finally:
        process.kill()
        process.wait()
