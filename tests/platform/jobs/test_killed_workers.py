"""Workers in processes of their own: killed, frozen, stopped and hung. Nothing is lost, nothing done twice."""

import signal
from dataclasses import replace

from mainstay.platform.jobs import JobHandler
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK, WorkerChild, bury_with_effect, commit_effect, eventually


async def test_killed_worker_is_replaced_and_its_job_done_once(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("hold"))
    first = await lab.child()
    assert await first.hears("started") == [str(job_id), "1"]
    await first.kill()
    second = await lab.child()
    assert await second.hears("started") == [str(job_id), "2"]
    await second.say("go")
    await second.hears("committed")
    await eventually(lambda: lab.is_in(job_id, "succeeded"))
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_frozen_worker_that_wakes_after_its_lease_cannot_commit(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("hold"))
    zombie = await lab.child()
    await zombie.hears("started")
    zombie.signal(signal.SIGSTOP)
    async with lab.working(lab.handler(commit_effect, "hold")):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    await zombie.say("go")
    zombie.signal(signal.SIGCONT)
    assert await zombie.hears("refused") in (["LeaseLost"], ["CancelledError"])
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_job_that_kills_its_process_is_dead_after_exactly_its_attempts(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("poison", attempts_max=3))
    for attempt in ("1", "2", "3"):
        child = await lab.child()
        assert await child.hears("started") == [str(job_id), attempt]
        assert await child.ended() == 9
    async with lab.working(JobHandler(lab.kind("poison"), commit_effect, bury_with_effect)):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    assert (await lab.table.job(job_id))["attempt"] == 3
    assert await lab.table.effects(lab.queue) == [(job_id, "dead: lease_expired")]


async def test_sigterm_hands_unfinished_jobs_back_at_once(lab: Lab) -> None:
    """With a lease of a minute, only a hand-back explains that the job is free."""
    held = await lab.enqueue(lab.kind("hold"))
    child = await lab.child(replace(QUICK, lease_s=60.0, drain_s=0.2))
    await child.hears("started")
    child.signal(signal.SIGTERM)
    await child.hears("closed")
    job = await lab.table.job(held)
    assert (job["state"], job["attempt"], job["fence"]) == ("queued", 0, 1)
    assert await child.ended() == 0


async def test_sigterm_lets_a_running_job_end_and_takes_no_other(lab: Lab) -> None:
    """The worker has one slot, which is free again only after it was told to stop."""
    held = await lab.enqueue(lab.kind("hold"))
    child = await lab.child(replace(QUICK, concurrency=1, lease_s=60.0, drain_s=60.0))
    await child.hears("started")
    child.signal(signal.SIGTERM)
    later = await lab.enqueue(lab.kind())
    await child.say("go")
    await child.hears("closed")
    assert (await lab.state(held), await lab.state(later)) == ("succeeded", "queued")
    assert await child.ended() == 0


async def test_second_sigterm_does_not_wait_for_the_drain(lab: Lab) -> None:
    held = await lab.enqueue(lab.kind("hold"))
    child = await lab.child(replace(QUICK, lease_s=60.0, drain_s=3600.0))
    await child.hears("started")
    child.signal(signal.SIGTERM)
    child.signal(signal.SIGINT)
    await child.hears("closed")
    assert await lab.state(held) == "queued"
    assert await child.ended() == 0


async def test_job_that_blocks_the_loop_ends_its_process_and_is_rescued(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("block"))
    child = await lab.child(stall_s=0.5)
    await child.hears("started")
    assert await child.ended() == 1
    async with lab.working(lab.handler(commit_effect, "block")):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))


async def test_worker_without_a_database_ends_with_a_sentence(lab: Lab) -> None:
    child = await WorkerChild.start("postgresql://nobody@127.0.0.1:1/none", lab.queue)
    assert await child.ended() == 1
