"""Attempts that ended badly leave a row each, results are kept with the fence, and keys name a job for ever."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from mainstay.kernel.errors import Invalid
from mainstay.platform.blobs import Blobs
from mainstay.platform.jobs import JobHandler, JobRun, LeaseLost, Reject, Retry, interventions, store
from mainstay.platform.jobs.limits import RESULT_BYTES_MAX
from mainstay.platform.jobs.models import Lease
from tests.platform.jobs.conftest import Lab
from tests.support.jobs import bury_with_effect, commit_effect, eventually


async def history(lab: Lab, job_id: UUID) -> list[tuple[int, str, str]]:
    rows = await lab.table.connection.fetch(
        "SELECT attempt, outcome, error_code, started_at, ended_at FROM mainstay.job_attempts"
        " WHERE job_id = $1 ORDER BY fence",
        job_id,
    )
    assert all(row["started_at"] is not None and row["started_at"] <= row["ended_at"] for row in rows)
    return [(row["attempt"], row["outcome"], row["error_code"]) for row in rows]


async def claim(lab: Lab, *, lease_s: float = 60) -> Lease:
    async with lab.database.keyhole() as tx:
        kinds = ["note"]
        (lease,) = await store.claim(tx, queues=[lab.queue], kinds=kinds, worker="test", count_max=1, lease_s=lease_s)
    return lease


async def run_of(lab: Lab, lease: Lease) -> JobRun:
    (job,) = await store.load(lab.database, [lease])
    return JobRun(lab.database, job, lab.kind())


async def test_success_leaves_no_row(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    async with lab.working(lab.handler(commit_effect)):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    assert await history(lab, job_id) == []
    assert (await lab.table.job(job_id))["started_at"] is not None


async def test_each_bad_end_leaves_a_row(lab: Lab) -> None:
    async def fail(run: JobRun) -> None:
        if run.attempt == 1:
            raise Retry(0, code="busy", reason="It is busy.")
        if run.attempt == 2:
            raise RuntimeError("a fault")
        raise Reject("broken", "It is broken.")

    job_id = await lab.enqueue(lab.kind())
    async with lab.working(JobHandler(lab.kind(), fail, bury_with_effect)):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    assert await history(lab, job_id) == [(1, "retried", "busy"), (2, "retried", "crashed"), (3, "failed", "broken")]


async def test_last_attempt_that_asks_for_another_has_failed(lab: Lab) -> None:
    async def fail(_: JobRun) -> None:
        raise Retry(0, code="busy")

    job_id = await lab.enqueue(lab.kind(attempts_max=2))
    async with lab.working(JobHandler(lab.kind(), fail)):
        await eventually(lambda: lab.is_in(job_id, "dead"))
    assert await history(lab, job_id) == [(1, "retried", "busy"), (2, "failed", "busy")]


async def test_rescue_leaves_a_row_and_a_hand_back_none(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    lease = await claim(lab)
    async with lab.database.keyhole() as tx:
        await store.hand_back(tx, [lease], [lab.queue])
    await claim(lab, lease_s=0)
    async with lab.database.keyhole() as tx:
        await store.rescue(tx)
    assert await history(lab, job_id) == [(1, "lease_expired", "lease_expired")]


async def test_redriven_job_keeps_id_payload_and_history(lab: Lab) -> None:
    async def work(run: JobRun) -> None:
        if run.redrives == 0:
            raise Reject("broken", "It is broken.")
        await commit_effect(run)

    job_id = await lab.enqueue(lab.kind(), {"note": "kept"})
    async with lab.working(lab.handler(work)):
        await eventually(lambda: lab.is_in(job_id, "dead"))
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.redrive(tx, job_id)
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    job = await lab.table.job(job_id)
    assert (job["payload"], job["attempt"], job["redrives"], job["fence"]) == ('{"note": "kept"}', 1, 1, 2)
    assert await history(lab, job_id) == [(1, "failed", "broken")]


async def test_only_dead_letters_are_redriven(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind())
    with pytest.raises(interventions.WrongState, match="dead letter"):
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.redrive(tx, job_id)


async def test_dead_letter_is_not_redriven_beside_the_same_work(lab: Lab) -> None:
    first = await lab.enqueue(lab.kind(), unique_key="same")
    lease = await claim(lab)
    async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
        await store.fail(tx, lease, code="broken", reason="It is broken.")
        await store.bury(tx, first)
    await lab.enqueue(lab.kind(), unique_key="same")
    with pytest.raises(interventions.WrongState, match="enqueued again"):
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.redrive(tx, first)
    assert await lab.state(first) == "dead"


async def test_waiting_job_runs_now(lab: Lab) -> None:
    job_id = await lab.enqueue(lab.kind(), delay_s=3600)
    async with lab.working(lab.handler(commit_effect)):
        async with lab.database.write(lab.tenant.admin, unaudited="a test") as tx:
            await interventions.run_now(tx, job_id)
        await eventually(lambda: lab.is_in(job_id, "succeeded"))


async def test_result_is_kept_with_the_commit(lab: Lab) -> None:
    async def work(run: JobRun) -> None:
        run.set_result({"pages": 3, "words": ["ä", None]})
        async with run.commit(unaudited="a test"):
            pass

    job_id = await lab.enqueue(lab.kind())
    async with lab.working(lab.handler(work)):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    assert (await lab.table.job(job_id))["result"] == '{"pages": 3, "words": ["ä", null]}'


@pytest.mark.parametrize("spare", [0, -1])
async def test_result_has_a_limit_that_the_table_shares(lab: Lab, spare: int) -> None:
    await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim(lab))
    letters = RESULT_BYTES_MAX - len('{"a": "", "b": [1, 2]}') - spare
    result: dict[str, Any] = {"a": "x" * letters, "b": [1, 2]}
    if spare < 0:
        with pytest.raises(Invalid, match="store_result"):
            run.set_result(result)
        return
    run.set_result(result)
    async with run.commit(unaudited="a test"):
        pass
    assert await lab.state(run.job_id) == "succeeded"


async def test_large_result_is_an_object_of_the_tenant(lab: Lab) -> None:
    blobs = Blobs.in_memory()
    await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim(lab))
    await run.store_result(blobs, b"x" * 100_000)
    async with run.commit(unaudited="a test"):
        pass
    job = await lab.table.job(run.job_id)
    assert job["result"] is None
    assert lab.tenant.tenant_id.hex in job["result_object"]
    assert len(await blobs.get(job["result_object"])) == 100_000


async def test_stale_attempt_keeps_neither_result_nor_progress(lab: Lab) -> None:
    await lab.enqueue(lab.kind())
    stale = await run_of(lab, await claim(lab))
    await lab.table.take_away(lab.queue)
    await claim(lab)
    stale.set_result({"stale": True})
    with pytest.raises(LeaseLost):
        async with stale.commit(unaudited="a test"):
            pass
    with pytest.raises(LeaseLost):
        async with lab.database.write(stale.scope) as tx:
            await store.set_progress(tx, Lease(stale.tenant_id, stale.principal_id, stale.job_id, 1), 1, 2)
    job = await lab.table.job(stale.job_id)
    assert (job["result"], job["progress_done"]) == (None, None)


async def test_progress_is_written_seldom_and_its_end_always(lab: Lab) -> None:
    async def work(run: JobRun) -> None:
        for done in range(1, 1001):
            await run.report_progress(done, 1000)
        async with run.commit(unaudited="a test"):
            pass

    job_id = await lab.enqueue(lab.kind())
    async with lab.working(lab.handler(work)):
        await eventually(lambda: lab.is_in(job_id, "succeeded"))
    job = await lab.table.job(job_id)
    assert (job["progress_done"], job["progress_total"]) == (1000, 1000)


@pytest.mark.parametrize(("done", "total"), [(-1, 5), (6, 5), (2**31, None)])
async def test_impossible_progress_is_refused(lab: Lab, done: int, total: int | None) -> None:
    await lab.enqueue(lab.kind())
    run = await run_of(lab, await claim(lab))
    with pytest.raises(Invalid, match="progress"):
        await run.report_progress(done, total)


async def test_idempotency_key_names_the_first_job_for_ever(lab: Lab) -> None:
    first = await lab.enqueue(lab.kind(), {"n": 1}, idempotency_key="request 1")
    async with lab.working(lab.handler(commit_effect)):
        await eventually(lambda: lab.is_in(first, "succeeded"))
        assert await lab.enqueue(lab.kind(), {"n": 2}, idempotency_key="request 1") == first
        assert await lab.enqueue(lab.kind(), {"n": 2}, idempotency_key="request 2") != first
        await eventually(lambda: lab.are_all("succeeded"))
    assert len(await lab.table.effects(lab.queue)) == 2


async def test_idempotency_key_belongs_to_a_principal(lab: Lab) -> None:
    """Otherwise a customer could try which keys another has used."""
    first = await lab.enqueue(lab.kind(), idempotency_key="k")
    async with lab.database.write(lab.tenant.customer) as tx:
        second = await store.enqueue(tx, lab.kind(), {}, request_id="test", idempotency_key="k")
    assert first != second


async def test_enqueues_at_once_with_one_key_make_one_job(lab: Lab) -> None:
    ids = await asyncio.gather(*(lab.enqueue(lab.kind(), idempotency_key="once") for _ in range(6)))
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"idempotency_key": "x" * 201}, "201 characters"),
        ({"idempotency_key": "a", "unique_key": "b"}, "one of them"),
        ({"priority": 3}, "priority"),
    ],
)
async def test_enqueue_refuses_what_is_beyond_its_limits(lab: Lab, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        await lab.enqueue(lab.kind(), **given)
