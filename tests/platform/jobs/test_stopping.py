"""SIGTERM to a real process: no claim a second later, a drain that ends, and what is left handed back at once."""

import asyncio
import signal
import time
from dataclasses import dataclass, replace

import httpx2
import pytest

from mainstay.platform.jobs import WorkerLimits, enqueue
from mainstay.platform.processes.ports import pick_port
from tests.platform.jobs.conftest import Lab
from tests.support.figures import Figures
from tests.support.jobs import DEADLINE_S, QUICK, eventually
from tests.support.transport_worker import TransportChild

HELD = 3


@dataclass
class Stop:
    """What was seen of a stop, in seconds after the signal."""

    last_claim_s: float = 0.0
    handed_back_s: float = 0.0
    ended_s: float = 0.0
    readiness: str = ""
    finished: int = 0


async def look(lab: Lab) -> tuple[int, int, int]:
    """Return how many claims there were, how many jobs run, and how many have succeeded."""
    row = await lab.table.connection.fetchrow(
        "SELECT sum(fence)::int AS claims, count(*) FILTER (WHERE state = 'running')::int AS running,"
        " count(*) FILTER (WHERE state = 'succeeded')::int AS succeeded FROM mainstay.jobs WHERE queue = $1",
        lab.queue,
    )
    return row["claims"], row["running"], row["succeeded"]


async def stop_under_load(lab: Lab, limits: WorkerLimits, backlog: int) -> Stop:
    """Stop a worker that has `backlog` short jobs before it and HELD that will not end; watch the table meanwhile."""
    held = [await lab.enqueue(lab.kind("endless", timeout_s=3600.0)) for _ in range(HELD)]
    port = pick_port("127.0.0.1")
    child = await TransportChild.begin(url=lab.url, queue=lab.queue, limits=vars(limits), health_port=port)
    lab.stack.push_async_callback(child.kill)
    for _ in held:
        await child.hears("started")
    async with lab.database.write(lab.tenant.admin) as tx:
        for _ in range(backlog):
            await enqueue(tx, lab.kind("work", attempts_max=25), {}, request_id="test")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as probes:
        await eventually(lambda: _is_ready(probes))
        await eventually(lambda: _has_done(lab, 5))
        seen = await _watch(lab, child, probes)
    for job_id in held:
        job = await lab.table.job(job_id)
        assert (job["state"], job["attempt"], job["worker"]) == ("queued", 0, None)
    assert seen.finished < backlog, "the backlog was too short to show a claim too many"
    assert await child.ended() == 0
    return seen


async def _watch(lab: Lab, child: TransportChild, probes: httpx2.AsyncClient) -> Stop:
    seen = Stop()
    claims, _, _ = await look(lab)
    child.signal(signal.SIGTERM)
    signalled = time.monotonic()
    while child.process.returncode is None:
        assert time.monotonic() - signalled < DEADLINE_S
        now_claims, running, seen.finished = await look(lab)
        at_s = time.monotonic() - signalled
        if now_claims > claims:
            claims, seen.last_claim_s = now_claims, at_s
        if not running and not seen.handed_back_s:
            seen.handed_back_s = at_s
        if at_s > 0.5 and not seen.readiness and running:
            seen.readiness = (await probes.get("/readyz")).text
            assert (await probes.get("/healthz")).status_code == 200
        await asyncio.sleep(0.02)
    seen.ended_s = time.monotonic() - signalled
    # The last of it may have happened between the last look and the end.
    assert await look(lab) == (claims, 0, seen.finished)
    return seen


async def _is_ready(probes: httpx2.AsyncClient) -> bool:
    try:
        return (await probes.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


async def _has_done(lab: Lab, jobs: int) -> bool:
    return (await look(lab))[2] >= jobs


def check(seen: Stop, limits: WorkerLimits) -> None:
    assert seen.last_claim_s <= 1.0
    assert seen.ended_s <= 30.0
    # Their leases would have lasted for longer: somebody handed them back.
    assert seen.handed_back_s < limits.lease_s
    assert "takes no other" in seen.readiness


@pytest.mark.timeout(180)
async def test_sigterm_under_load_stops_claiming_and_hands_back(lab: Lab, record_figure: Figures) -> None:
    limits = replace(QUICK, concurrency=HELD + 3, lease_s=60.0, drain_s=1.5)
    seen = await stop_under_load(lab, limits, backlog=2_000)
    check(seen, limits)
    _record(record_figure, seen, limits)


@pytest.mark.deep
@pytest.mark.timeout(300)
async def test_sigterm_with_the_limits_of_production(lab: Lab, record_figure: Figures) -> None:
    limits = replace(WorkerLimits(), concurrency=HELD + 3, lease_s=60.0, heartbeat_s=10.0)
    seen = await stop_under_load(lab, limits, backlog=5_000)
    assert seen.ended_s >= limits.drain_s
    check(seen, limits)
    _record(record_figure, seen, limits)


def _record(figures: Figures, seen: Stop, limits: WorkerLimits) -> None:
    name = f"SIGTERM under load, drain of {limits.drain_s:g} s"
    figures.record(f"{name}: last claim after", round(seen.last_claim_s, 2), unit="s")
    figures.record(f"{name}: {HELD} jobs handed back after", round(seen.handed_back_s, 2), unit="s")
    figures.record(f"{name}: process ended after", round(seen.ended_s, 2), unit="s")
