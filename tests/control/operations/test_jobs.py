"""Jobs over the real server: what is seen of them, by whom, and what people do to them with a row in the audit."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mainstay.kernel.ids import decode_id
from mainstay.knowledge.documents import service as documents
from mainstay.knowledge.documents import versions
from mainstay.knowledge.documents.models import NewDocument
from mainstay.platform.jobs import JobKind
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.queries import parse_queries
from tests.support.database import SCOPE_KEY
from tests.support.jobs import eventually
from tests.support.planted_jobs import PLANTED, Planter
from tests.support.system import Member, TestSystem

OTHER = JobKind("tests.other", "other", timeout_s=30.0)


def planter(system: TestSystem, member: Member) -> Planter:
    return Planter.of(system.owner, member.tenant_id, member.principal_id)


@asynccontextmanager
async def app_of(system: TestSystem) -> AsyncGenerator[Database]:
    """Yield the database as the app has it: its owner sees nothing of what is hidden inside a tenant."""
    opened = await Database.connect(system.urls.app, scope_key=SCOPE_KEY)
    try:
        yield opened
    finally:
        await opened.close()


async def audit_of(member: Member, action: str) -> list[dict[str, Any]]:
    return (await member.call("GET", f"/v1/audit?action={action}"))["data"]


async def ids(member: Member, query: str = "") -> list[str]:
    return [job["id"] for job in (await member.call("GET", f"/v1/jobs?{query}"))["data"]]


async def test_ingested_document_has_a_job_that_is_seen(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    await member.add("a.txt", "The ferry sails at noon.", store_id=store_id)
    (job,) = (await member.call("GET", "/v1/jobs?kind=documents.ingest"))["data"]
    assert (job["object"], job["state"], job["attempt"]) == ("job", "succeeded", 1)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    detail = await member.call("GET", f"/v1/jobs/{job['id']}")
    assert (detail["attempts"], detail["children"], detail["eta_s"]) == ([], {}, None)
    assert "version_id" in detail["payload"]


async def test_jobs_are_listed_by_state_queue_kind_and_parent(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    queued, dead = await plant.queued(), await plant.dead()
    other = await plant.queued(OTHER)
    assert await ids(member) == [other, dead, queued]
    assert await ids(member, "state=dead") == [dead]
    assert await ids(member, "queue=other") == [other]
    assert await ids(member, f"kind={PLANTED.name}&state=queued") == [queued]
    assert await ids(member, f"after={other}&limit=1") == [dead]
    assert await ids(member, f"before={other}&order=asc") == [queued, dead]
    parent = await plant.in_state("waiting")
    child = await plant.queued(parent=decode_id("job_", parent))
    assert await ids(member, f"parent={parent}") == [child]
    assert (await member.call("GET", f"/v1/jobs/{parent}"))["children"] == {"queued": 1}
    assert (await member.call("GET", f"/v1/jobs/{child}"))["parent_id"] == parent
    await member.call("GET", "/v1/jobs?state=lost", status=400)


async def test_history_and_outlook_are_shown(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    dead = await member.call("GET", f"/v1/jobs/{await plant.dead()}")
    assert dead["error"] == {"code": "broken", "message": "It is broken."}
    assert [(one["attempt"], one["outcome"], one["error"]["code"]) for one in dead["attempts"]] == [
        (1, "failed", "broken")
    ]
    running = await member.call("GET", f"/v1/jobs/{await plant.in_state('running', done=25, total=100)}")
    assert running["progress"] == {"done": 25, "total": 100}
    # Ten seconds for a quarter.
    assert 30 <= running["eta_s"] <= 60


async def test_result_is_read_back(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    done = await plant.succeeded({"pages": 3})
    assert (await member.call("GET", f"/v1/jobs/{done}"))["result"] == {"pages": 3}
    response = await member.http.get(f"/v1/jobs/{done}/content")
    assert (response.status_code, response.json()) == (200, {"pages": 3})
    assert response.headers["content-disposition"].startswith("attachment")
    missing = await member.call("GET", f"/v1/jobs/{await plant.queued()}/content", status=404)
    assert missing["error"]["code"] == "no_result"


async def test_cancel_is_done_once_and_audited(system: TestSystem) -> None:
    member = await system.member()
    job_id = await planter(system, member).queued()
    for _ in range(2):
        assert (await member.call("POST", f"/v1/jobs/{job_id}/cancel"))["state"] == "cancelled"
    rows = await audit_of(member, "job.cancel")
    assert [(row["target_id"], row["facts"]["cancelled"]) for row in rows] == [(job_id, 0), (job_id, 1)]
    running = await planter(system, member).in_state("running")
    asked = await member.call("POST", f"/v1/jobs/{running}/cancel")
    assert (asked["state"], asked["cancel_requested_at"] is not None) == ("running", True)


async def test_cancelled_child_lets_its_parent_go_on(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    parent = await plant.in_state("waiting")
    child = await plant.queued(parent=decode_id("job_", parent))
    await member.call("POST", f"/v1/jobs/{child}/cancel")
    assert (await member.call("GET", f"/v1/jobs/{parent}"))["state"] == "queued"


async def test_ended_job_is_not_cancelled(system: TestSystem) -> None:
    member = await system.member()
    for job_id in (await planter(system, member).succeeded(), await planter(system, member).dead()):
        refused = await member.call("POST", f"/v1/jobs/{job_id}/cancel", status=409)
        assert refused["error"]["code"] == "wrong_job_state"


async def test_retry_runs_a_queued_job_now(system: TestSystem) -> None:
    member = await system.member()
    job_id = await planter(system, member).queued()
    before = await member.call("GET", f"/v1/jobs/{job_id}")
    after = await member.call("POST", f"/v1/jobs/{job_id}/retry")
    assert after["run_at"] <= before["run_at"] - 3000
    assert [row["target_id"] for row in await audit_of(member, "job.retry")] == [job_id]
    refused = await member.call("POST", f"/v1/jobs/{await planter(system, member).dead()}/retry", status=409)
    assert "redriven" in refused["error"]["message"]


async def test_redrive_keeps_id_payload_and_history_and_is_audited(system: TestSystem) -> None:
    member = await system.member()
    job_id = await planter(system, member).dead()
    before = await member.call("GET", f"/v1/jobs/{job_id}")
    # Twice: a client that got no answer asks again.
    for _ in range(2):
        after = await member.call("POST", f"/v1/jobs/{job_id}/redrive")
    assert (after["state"], after["attempt"], after["redrives"]) == ("queued", 0, 1)
    assert (after["payload"], after["attempts"]) == (before["payload"], before["attempts"])
    rows = await audit_of(member, "job.redrive")
    assert {(row["target_id"], row["facts"]["enqueued_by"]) for row in rows} == {(job_id, "tests")}


async def test_many_are_redriven_by_queue_or_kind(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    dead = [await plant.dead() for _ in range(3)]
    twins = [await plant.dead(OTHER, unique_key="same") for _ in range(2)]
    refused = await member.call("POST", "/v1/jobs/redrive", json={}, status=400)
    assert refused["error"]["param"] == "queue"
    first = await member.call("POST", "/v1/jobs/redrive", json={"queue": PLANTED.queue, "limit": 2})
    assert (first["ids"], first["has_more"]) == (dead[:2], True)
    rest = await member.call("POST", "/v1/jobs/redrive", json={"kind": PLANTED.name})
    assert (rest["ids"], rest["has_more"]) == (dead[2:], False)
    # Of two dead letters for the same work one is enough.
    assert (await member.call("POST", "/v1/jobs/redrive", json={"kind": OTHER.name}))["ids"] == twins[1:]
    assert (await member.call("POST", "/v1/jobs/redrive", json={"kind": OTHER.name}))["ids"] == []
    assert len(await audit_of(member, "job.redrive")) == 4


async def test_stats_tell_of_each_queue(system: TestSystem) -> None:
    member = await system.member()
    plant = planter(system, member)
    await plant.queued(delay_s=0.0)
    await plant.dead()
    await plant.in_state("waiting")
    await plant.succeeded()
    (stats,) = (await member.call("GET", "/v1/jobs/stats"))["data"]
    assert (stats["id"], stats["object"]) == ("planted", "queue.stats")
    assert (stats["depth"], stats["dead"]) == ({"queued": 1, "waiting": 1}, 1)
    assert stats["attempts"] == {"succeeded": 1, "failed": 1}
    assert stats["throughput_per_s"] == pytest.approx(1 / 300, abs=1e-4)
    assert stats["eta_s"] == pytest.approx(300)
    assert stats["oldest_due_s"] > 0


async def test_others_see_the_jobs_that_run_for_them(system: TestSystem) -> None:
    admin = await system.member("admin")
    one, other = await system.member("customer", of=admin), await system.member("customer", of=admin)
    job_id = await planter(system, one).dead()
    assert await ids(one) == await ids(admin) == [job_id]
    assert await ids(other) == []
    assert (await other.call("GET", "/v1/jobs/stats"))["data"] == []
    for action in ("cancel", "retry", "redrive"):
        await other.call("POST", f"/v1/jobs/{job_id}/{action}", status=404)
    assert (await other.call("POST", "/v1/jobs/redrive", json={"queue": PLANTED.queue}))["ids"] == []
    assert (await one.call("POST", f"/v1/jobs/{job_id}/redrive"))["state"] == "queued"
    product = await system.member("product", of=admin)
    refused = await product.call("POST", f"/v1/jobs/{job_id}/cancel", status=403)
    assert refused["error"]["code"] == "permission_denied"


PUT_OFF = parse_queries(
    """
-- name: put_off
-- Keeps workers off the jobs of a tenant.
UPDATE mainstay.jobs SET run_at = now() + interval '1 hour' WHERE tenant_id = :tenant_id AND state = 'queued'
""",
    origin="tests",
)["put_off"]


async def test_cancelled_ingest_ends_its_document_with_a_reason(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    file_id = (await member.call("POST", "/v1/files", files={"file": ("a.txt", b"The ferry sails at noon.")}))["id"]
    async with app_of(system) as app, app.write(planter(system, member).scope, unaudited="a test") as tx:
        store = await documents.require_store(tx, decode_id("vs_", store_id))
        await versions.add_file(tx, store, NewDocument(decode_id("file-", file_id), "a.txt", {}))
        # In the same commit, so that no worker takes it before it is cancelled.
        await tx.execute(PUT_OFF)
    (job_id,) = await ids(member, "kind=documents.ingest")
    assert (await member.call("POST", f"/v1/jobs/{job_id}/cancel"))["state"] == "cancelled"
    ended = await member.ended(store_id, file_id)
    assert (ended["status"], ended["last_error"]["code"]) == ("failed", "ingest_cancelled")
    again = await member.call(
        "POST", f"/v1/vector_stores/{store_id}/files", json={"file_id": file_id, "external_id": "a.txt"}
    )
    assert (await member.ended(store_id, again["id"]))["status"] == "completed"


async def test_redriven_ingest_tries_its_document_again(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    file_id = (await member.call("POST", "/v1/files", files={"file": ("a.txt", b"The ferry sails at noon.")}))["id"]
    plant = planter(system, member)
    async with app_of(system) as app, app.write(plant.scope, unaudited="a test") as tx:
        store = await documents.require_store(tx, decode_id("vs_", store_id))
        added = await versions.add_file(tx, store, NewDocument(decode_id("file-", file_id), "a.txt", {}))
        await versions.fail(tx, added.version_id, code="ingest_failed", reason="It was given up.")
        await tx.execute(PUT_OFF)
    (job_id,) = await ids(member, "kind=documents.ingest")
    await plant.kill(job_id)
    await member.call("POST", f"/v1/jobs/{job_id}/redrive")

    async def is_ready() -> bool:
        found = await member.call("GET", f"/v1/vector_stores/{store_id}/files/{file_id}")
        return found["status"] == "completed"

    await eventually(is_ready)


async def test_dead_letters_are_counted_in_metrics(system: TestSystem) -> None:
    member = await system.member()
    await planter(system, member).dead()

    async def told() -> bool:
        text = (await member.http.get("/metrics")).text
        line = next((one for one in text.splitlines() if one.startswith('mainstay_jobs_dead{queue="planted"}')), "")
        return bool(line) and float(line.split()[-1]) >= 1

    await eventually(told)
