"""S.Q5: workers that come back under the name of the dead. A name holds nothing and frees nothing."""

import pytest

from tests.platform.jobs.drills.crew import Crew
from tests.platform.jobs.drills.ground import Ground, describe
from tests.platform.jobs.drills.history import POINTS
from tests.platform.jobs.drills.orders import Orders
from tests.support.figures import Figures

JOBS_PER_KILL = 10


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=[pytest.mark.deep, pytest.mark.timeout(600)])])
async def test_restarts_under_one_name_leave_nothing_stuck(ground: Ground, kills: int, record_figure: Figures) -> None:
    orders = Orders(ground.urls.app, ground.queue, lease_s=1.0, heartbeat_s=0.2, rescue_s=0.2, name="the-only-name")
    # Two at a time, which share the name.
    async with Crew(orders, 2) as crew:
        for turn in range(kills):
            point = POINTS[turn % len(POINTS)]
            await crew.arm(turn, point, lambda: ground.enqueue(JOBS_PER_KILL))
            async with ground.superuser() as connection:
                ground.kills.append(await crew.kill(turn, point, connection))
        await ground.finished(120)
        await crew.stop()
    report = await ground.judge("one name for all workers", orders.lease_s, restart_slack_s=30.0)
    assert sum(report["kills"].values()) == kills
    record_figure.record("S.Q5 jobs", report["jobs"], unit=describe(report), tried=report["jobs"])
