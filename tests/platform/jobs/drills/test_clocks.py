"""S.P10: workers whose clocks are ten minutes fast, right and ten minutes slow. Time is the database's, for all."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.platform.jobs.drills.crew import Crew
from tests.platform.jobs.drills.ground import Ground, describe
from tests.platform.jobs.drills.history import POINTS
from tests.platform.jobs.drills.orders import Orders, drilled_kind
from tests.support.figures import Figures

# Where Debian's package libfaketime puts the library that changes a process's clock.
_LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"
SKEWS_S = (600, 0, -600)
# How far a lease may end from where the database's clock would have it: one heartbeat, and a busy machine.
LEASE_S = 5.0
_LEASES = (
    "SELECT extract(epoch FROM lease_expires_at - clock_timestamp())::float8 AS left_s FROM mainstay.jobs"
    " WHERE queue = $1 AND state = 'running'"
)
_EARLY = (
    "SELECT count(*) FROM mainstay.jobs WHERE queue = $1 AND id = ANY ($2::uuid[]) AND finished_at < created_at"
    " + make_interval(secs => $3)"
)


def skewed(seconds: int) -> Mapping[str, str]:
    """Return the environment of a process whose wall clock is wrong by so much, and whose other clocks are right."""
    library = next(iter(sorted(Path("/").glob(_LIBRARIES.lstrip("/")))), None)
    if library is None:
        pytest.skip(f"there is no {_LIBRARIES}: install the package faketime to drill clocks that are wrong")
    if seconds == 0:
        return {}
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
    }


@pytest.mark.parametrize(
    ("jobs", "kills"), [(60, 3), pytest.param(1_000, 24, marks=[pytest.mark.deep, pytest.mark.timeout(600)])]
)
async def test_wrong_clocks_double_nothing_and_end_no_lease_early(
    ground: Ground, jobs: int, kills: int, record_figure: Figures
) -> None:
    environments = [skewed(seconds) for seconds in SKEWS_S]
    orders = Orders(ground.urls.app, ground.queue, lease_s=LEASE_S, heartbeat_s=1.0, rescue_s=0.3, tell_clock=True)
    delay_s = 2.0
    async with Crew(orders, len(SKEWS_S), environments) as crew, ground.superuser() as connection:
        # The clocks are wrong indeed, or nothing is tried.
        for worker, skew_s in zip(crew.workers, SKEWS_S, strict=True):
            await worker.ready()
            told_s = float((await worker.hear("clock"))[0])
            now_s = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
            assert abs(told_s - now_s - skew_s) < 60, (
                f"the clock of a worker is {told_s - now_s:.0f} s off, not {skew_s}"
            )
        delayed = await ground.enqueue(10, drilled_kind(ground.queue), delay_s=delay_s)
        left_s: list[float] = []
        for turn in range(kills):
            point = POINTS[turn % len(POINTS)]
            await crew.arm(turn, point, lambda: ground.enqueue(jobs // (kills + 1)))
            left_s.extend(row["left_s"] for row in await connection.fetch(_LEASES, ground.queue))
            ground.kills.append(await crew.kill(turn, point, connection))
        await ground.enqueue(max(1, jobs - len(ground.acknowledged)))
        await ground.finished(120)
        early = await connection.fetchval(_EARLY, ground.queue, delayed, delay_s)
    report = await ground.judge("clocks wrong by ten minutes", orders.lease_s, restart_slack_s=60.0)
    # No lease was given by a worker's clock: none is longer than it should be, nor over by minutes.
    assert left_s
    assert max(left_s) <= LEASE_S
    assert min(left_s) > -60.0
    assert early == 0, f"{early} delayed jobs ran before their time"
    # Nobody took a job from a worker that lived: as many attempts were lost as jobs were orphaned.
    assert report["attempts"] - report["jobs"] <= report["orphans"] + len(ground.kills)
    told = f"{len(left_s)} leases sampled, none longer than {LEASE_S:g} s; 0 started early"
    record_figure.record("S.P10 jobs", report["jobs"], unit=f"{describe(report)}; {told}", tried=report["jobs"])
