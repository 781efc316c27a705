"""The probes of a worker over a real socket: what they say, and whom they do not let linger."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest

from mainstay.edge.worker.health import Health, HealthAddress
from mainstay.kernel.errors import Unavailable
from mainstay.platform.processes.ports import pick_port

HOST = "127.0.0.1"


@asynccontextmanager
async def probed(probes: Health) -> AsyncIterator[tuple[httpx2.AsyncClient, int]]:
    port = pick_port(HOST)
    async with (
        probes.listening(HealthAddress(HOST, port)),
        httpx2.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as http,
    ):
        yield http, port


async def test_worker_is_alive_before_it_is_ready() -> None:
    missing: dict[str, str] = {"database": "The database does not answer."}

    async def ask() -> dict[str, str]:
        return missing

    probes = Health(beats_within_s=60)
    async with probed(probes) as (http, _):
        assert (await http.get("/healthz")).json() == {"status": "alive"}
        starting = await http.get("/readyz")
        assert (starting.status_code, list(starting.json()["missing"])) == (503, ["start"])
        probes.watch(ask)
        refused = await http.get("/readyz")
        assert (refused.status_code, refused.json()) == (503, {"status": "not ready", "missing": missing})
        missing.clear()
        assert (await http.get("/readyz?verbose=1")).status_code == 200


async def test_worker_that_has_stopped_beating_is_not_alive() -> None:
    probes = Health(beats_within_s=0.05)
    async with probed(probes) as (http, _):
        probes.beat()
        await asyncio.sleep(0.06)
        stalled = await http.get("/healthz")
        assert (stalled.status_code, stalled.json()["status"]) == (503, "stalled")
        probes.beat()
        assert (await http.get("/healthz")).status_code in (200, 503)


async def test_metrics_are_those_of_the_process() -> None:
    async with probed(Health(beats_within_s=60)) as (http, _):
        found = await http.get("/metrics")
        assert found.headers["content-type"].startswith("text/plain")
        assert "mainstay_jobs_slots_taken" in found.text


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /v1/jobs HTTP/1.1", b"404"), (b"POST /healthz HTTP/1.1", b"405"), (b"\xff\xfe", b"405")],
)
async def test_whatever_else_is_asked_is_refused(request_line: bytes, status: bytes) -> None:
    async with probed(Health(beats_within_s=60)) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request_line + b"\r\nhost: x\r\n\r\n")
        answer = await reader.read()
        assert answer.split()[1] == status
        assert b"connection: close" in answer
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])
        writer.close()


async def test_long_head_and_one_that_never_ends_are_cut() -> None:
    async with probed(Health(beats_within_s=60, request_timeout_s=0.2)) as (http, port):
        for sent in (b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 20_000, b"GET /healthz HTTP/1.1\r\n", b""):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(sent)
            # What was sent and not read may make the end a reset.
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
        assert (await http.get("/healthz")).status_code == 200


async def test_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(Unavailable, match=r"cannot listen on 127\.0\.0\.1:\d+ .*choose another --health-port"):
            async with Health(beats_within_s=60).listening(HealthAddress(HOST, taken.getsockname()[1])):
                pass
