"""Jobs in processes of their own: killed alone, told of in words, and never left behind."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from mainstay.platform.jobs import JobProcesses, JobRegistry, ProcessLimits, Worker, WorkerLimits
from mainstay.platform.processes.identity import identify
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import QUICK, eventually
from tests.support.poison import MEMORY_MB, job_processes, poison_handlers

LIMITS = ProcessLimits(answer_s=1.0, look_s=0.02)
TIMEOUT_S = 1.0


@asynccontextmanager
async def isolating(
    lab: Lab,
    *,
    declared: bool = True,
    limits: ProcessLimits = LIMITS,
    worker: WorkerLimits = QUICK,
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[JobProcesses]:
    """Run a worker in this process whose jobs have others."""
    async with job_processes(lab.url, lab.queue, limits, declared=declared, timeout_s=timeout_s) as processes:
        handlers = poison_handlers(lab.queue, declared=declared, timeout_s=timeout_s)
        async with lab.working(*handlers, limits=worker, processes=processes):
            yield processes


async def end_of(lab: Lab, name: str, **given: object) -> tuple[str, str]:
    """Return with what code and words a job with one attempt ends."""
    job_id = await lab.enqueue(lab.kind(name, attempts_max=1))
    async with isolating(lab, **given):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    job = await lab.table.job(job_id)
    return job["error_code"], job["error"]


async def pid_of(lab: Lab, job_id: UUID) -> int:
    await eventually(lambda: lab.is_in(job_id, "succeeded"))
    return next(int(note.split()[1]) for each, note in await lab.table.effects(lab.queue) if each == job_id)


async def test_job_that_ends_its_process_is_told_of_with_its_status(lab: Lab) -> None:
    code, words = await end_of(lab, "exit")
    assert code == "crashed_process"
    assert "exit status 9" in words


async def test_segmentation_fault_is_told_of_by_name(lab: Lab) -> None:
    code, words = await end_of(lab, "segfault")
    assert code == "crashed_process"
    assert "SIGSEGV" in words


async def test_job_over_its_memory_is_killed_and_told_how_much_it_held(lab: Lab) -> None:
    code, words = await end_of(lab, "eat", timeout_s=30.0)
    assert code == "killed_memory"
    assert f"more than the {MEMORY_MB} MB" in words


async def test_job_that_declares_no_memory_has_a_limit_all_the_same(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("eat", attempts_max=1))
    await lab.table.connection.execute("UPDATE mainstay.jobs SET error_code = 'lease_expired' WHERE id = $1", job_id)
    async with isolating(lab, declared=False, limits=replace(LIMITS, undeclared_memory_mb_max=200), timeout_s=30.0):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    job = await lab.table.job(job_id)
    assert job["error_code"] == "killed_memory"
    assert "more than the 200 MB" in job["error"]


@pytest.mark.parametrize("name", ["spin", "refuse"])
async def test_job_that_does_not_end_at_its_timeout_is_killed(lab: Lab, name: str) -> None:
    code, words = await end_of(lab, name)
    assert code == "timeout"
    assert "killed" in words


async def test_what_a_dead_job_started_dies_with_it(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("orphan", attempts_max=1))
    async with isolating(lab):
        await eventually(lambda: lab.is_in(job_id, "dead"))
        left = next(note for _, note in await lab.table.effects(lab.queue) if note.startswith("left"))
        assert identify(int(left.split()[1])) is None


async def test_commit_before_the_end_of_the_process_stands(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("commit_exit"))
    async with isolating(lab):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    assert await lab.table.effects(lab.queue) == [(job_id, "done")]


async def test_error_of_a_handler_is_the_jobs_and_not_the_processs(lab: Lab) -> None:
    """Both attempts run in one process, which nothing happened to."""
    job_id = await lab.enqueue(lab.kind("error", attempts_max=1))
    second = await lab.enqueue(lab.kind("error", attempts_max=1))
    async with isolating(lab, limits=replace(LIMITS, processes_max=1)):
        await eventually(lambda: lab.are_all("dead"))
    jobs = [await lab.table.job(each) for each in (job_id, second)]
    assert jobs[0]["error_code"] == "crashed"
    assert "OSError: nothing here in " in jobs[0]["error"]
    assert jobs[0]["error"] == jobs[1]["error"]


async def test_process_is_used_again_and_ended_after_its_jobs(lab: Lab) -> None:
    async with isolating(lab, limits=replace(LIMITS, processes_max=1, jobs_max=2)):
        pids = [await pid_of(lab, await lab.enqueue(lab.kind("pid"))) for _ in range(3)]
        assert pids[0] == pids[1] != pids[2]
        assert pids[0] != os.getpid()
        await eventually(lambda: _has_ended(pids[0]))


async def test_idle_process_is_ended(lab: Lab) -> None:
    async with isolating(lab, limits=replace(LIMITS, idle_s=0.05)):
        pid = await pid_of(lab, await lab.enqueue(lab.kind("pid")))
        await eventually(lambda: _has_ended(pid))


async def test_no_process_is_left_when_the_worker_has_stopped(lab: Lab) -> None:
    async with isolating(lab):
        pid = await pid_of(lab, await lab.enqueue(lab.kind("pid")))
        assert identify(pid) is not None
    assert identify(pid) is None


async def test_suspect_runs_apart_and_its_neighbours_do_not(lab: Lab) -> None:
    suspect = await lab.enqueue(lab.kind("pid"))
    await lab.table.connection.execute("UPDATE mainstay.jobs SET error_code = 'lease_expired' WHERE id = $1", suspect)
    innocent = await lab.enqueue(lab.kind("pid"))
    async with isolating(lab, declared=False):
        assert await pid_of(lab, suspect) != os.getpid()
        assert await pid_of(lab, innocent) == os.getpid()


async def test_stop_hands_the_job_of_a_process_back_at_once(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("refuse"))
    async with isolating(lab, worker=replace(QUICK, lease_s=60.0, drain_s=0.1), timeout_s=60.0):
        await eventually(lambda: lab.table.effects(lab.queue))
    job = await lab.table.job(job_id)
    assert (job["state"], job["attempt"]) == ("queued", 0)


async def test_job_that_waits_for_a_process_is_handed_back_too(lab: Lab) -> None:
    ids = [await lab.enqueue(lab.kind("refuse")) for _ in range(2)]
    limits = replace(LIMITS, processes_max=1)
    async with isolating(lab, limits=limits, worker=replace(QUICK, lease_s=60.0, drain_s=0.1), timeout_s=60.0):
        await eventually(lambda: lab.are_all("running"))
        await eventually(lambda: lab.table.effects(lab.queue))
    assert [(await lab.table.job(each))["attempt"] for each in ids] == [0, 0]


async def test_process_that_cannot_be_had_costs_an_attempt_and_says_why(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind("pid", attempts_max=1))
    handlers = poison_handlers(lab.queue, declared=True)
    async with JobProcesses(("/bin/false",), LIMITS) as none, lab.working(*handlers, processes=none):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    job = await lab.table.job(job_id)
    assert job["error_code"] == "process_not_ready"
    assert "exit status 1" in job["error"]


async def test_lease_is_kept_while_a_process_blocks(lab: Lab) -> None:
    """The job spins for three leases, and is killed for its time, not rescued."""
    job_id = await lab.enqueue(lab.kind("spin", attempts_max=1))
    quick = replace(QUICK, lease_s=2.0, heartbeat_s=0.2)
    async with isolating(lab, worker=quick, timeout_s=6.0):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    assert (await lab.table.job(job_id))["error_code"] == "timeout"


async def test_worker_without_processes_refuses_a_kind_that_needs_one(lab: Lab) -> None:
    with pytest.raises(ValueError, match="need processes of their own"):
        Worker(lab.database, JobRegistry(poison_handlers(lab.queue, declared=True)))


async def _has_ended(pid: int) -> bool:
    return identify(pid) is None
