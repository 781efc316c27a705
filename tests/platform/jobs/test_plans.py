"""How PostgreSQL finds jobs: the claim reads the index of what waits, however much has finished."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from mainstay.platform.jobs import store
from mainstay.platform.postgres import Database, Scope
from mainstay.platform.postgres.queries import load_queries
from tests.support.database import SCOPE_KEY, DatabaseUrls, scratch_database

FINISHED, QUEUED, TENANTS = 100_000, 1_000, 20

# Triggers of foreign keys are left out: rows are planted here, not written as the product would.
FILL = f"""
SET session_replication_role = replica;
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, state, run_at, attempt,
                           attempts_max, finished_at)
SELECT ('00000000-0000-7000-8000-' || lpad((n % {TENANTS})::text, 12, '0'))::uuid, gen_random_uuid(),
       gen_random_uuid(), 'r', 'full', 'note', '{{}}', CASE WHEN n <= {FINISHED} THEN 'succeeded' ELSE 'queued' END,
       now() - interval '1 hour', 1, 5, CASE WHEN n <= {FINISHED} THEN now() END
  FROM generate_series(1, {FINISHED + QUEUED}) n;
SET session_replication_role = DEFAULT;
"""

ARGUMENTS = {
    "claim_jobs.queues": "ARRAY['full']",
    "claim_jobs.kinds": "ARRAY['note']",
    "claim_jobs.worker": "'w'",
    "claim_jobs.count_max": "8",
    "claim_jobs.lease": "interval '30 seconds'",
    "claim_jobs.aging": "interval '1 minute'",
    "claim_jobs.ruled_queues": "'{}'::text[]",
    "claim_jobs.running_maxes": "'{}'::int[]",
    "claim_jobs.tenant_maxes": "'{}'::int[]",
    "claim_jobs.starts_maxes": "'{}'::int[]",
    "claim_jobs.anew": "true",
    "claim_jobs.line_queues": "'{}'::text[]",
    "claim_jobs.line_tenants": "'{}'::uuid[]",
    "claim_jobs.line_priorities": "'{}'::int[]",
    "claim_jobs.line_run_ats_us": "'{}'::bigint[]",
    "claim_jobs.line_jobs": "'{}'::uuid[]",
    "current_setting('mainstay.claim_began'::text)": "'0'",
    "rescue_jobs.count_max": "1000",
    "wake_parents.tenant_ids": "ARRAY['00000000-0000-7000-8000-000000000001'::uuid]",
    "wake_parents.job_ids": "ARRAY['00000000-0000-7000-8000-000000000001'::uuid]",
    "wake_waiting.count_max": "1000",
    "list_old_jobs.keep_dead": "interval '90 days'",
    "list_old_jobs.keep": "interval '30 days'",
    "list_old_jobs.count_max": "1000",
}


@pytest.fixture(scope="module")
async def full_urls(superuser_url: str) -> AsyncIterator[DatabaseUrls]:
    async with scratch_database(superuser_url) as urls:
        connection = await asyncpg.connect(urls.superuser)
        await connection.execute(FILL)
        await connection.close()
        yield urls


async def plan_of(connection: asyncpg.Connection, function: str, **given: str) -> str:
    """Return the plan of the last statement of a function, as the role that it runs as."""
    body = await connection.fetchval("SELECT pg_get_function_sqlbody($1::regproc::oid)", f"keyhole.{function}")
    *_, statement = re.sub(r"^\s*BEGIN ATOMIC|END\s*$", "", body).strip().rstrip(";").split(";")
    for name, value in {**ARGUMENTS, **{f"{function}.{name}": value for name, value in given.items()}}.items():
        statement = statement.replace(name, value)
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE mainstay_keyhole")
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analysed", [False, True])
async def test_claim_reads_only_what_waits(full_urls: DatabaseUrls, analysed: bool) -> None:
    connection = await asyncpg.connect(full_urls.superuser)
    try:
        if analysed:
            await connection.execute("ANALYZE mainstay.jobs")
        plan = await plan_of(connection, "claim_jobs")
    finally:
        await connection.close()
    # The first line, each next one, their heads, and what is taken from them.
    assert plan.count("using jobs_due") == 4, plan
    # Joined by their keys instead, a long line is read whole: the planner takes a limit it does not know for a tenth.
    assert "Tid Scan on jobs" in plan, plan
    assert "Seq Scan" not in plan, plan
    removed = [int(number) for number in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
    assert sum(removed) <= QUEUED, plan
    assert "Sort Method: external" not in plan, plan


@pytest.mark.parametrize("function", ["rescue_jobs"])
async def test_rescue_reads_only_what_runs(full_urls: DatabaseUrls, function: str) -> None:
    connection = await asyncpg.connect(full_urls.superuser)
    try:
        plan = await plan_of(connection, function)
    finally:
        await connection.close()
    assert "jobs_running" in plan, plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize(
    ("function", "index"),
    [("wake_parents", "jobs_children"), ("wake_waiting", "jobs_waiting"), ("list_old_jobs", "jobs_finished")],
)
async def test_looks_read_only_what_they_are_about(full_urls: DatabaseUrls, function: str, index: str) -> None:
    connection = await asyncpg.connect(full_urls.superuser)
    try:
        await connection.execute("ANALYZE mainstay.jobs")
        plan = await plan_of(connection, function)
    finally:
        await connection.close()
    assert index in plan, plan
    assert "Seq Scan on jobs" not in plan, plan


LOOKS = {
    "dead letters": ("state = ANY ('{dead}')", "jobs_dead"),
    "children": ("parent_id = '00000000-0000-7000-8000-000000000001'", "jobs_family"),
    "throughput": ("finished_at > now() - interval '5 minutes' AND state = 'succeeded'", "jobs_finished"),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_people_read_only_what_they_ask_for(full_urls: DatabaseUrls, look: str) -> None:
    """As the runtime role, under the policies, in a tenant with thousands of finished jobs."""
    condition, index = LOOKS[look]
    tenant_id = UUID("00000000-0000-7000-8000-000000000001")
    connection = await asyncpg.connect(full_urls.app)
    try:
        async with connection.transaction():
            scope = SCOPE_KEY.sign(Scope(tenant_id, tenant_id, sees_all=True))
            await connection.fetchval("SELECT set_config('mainstay.scope', $1, true)", scope)
            rows = await connection.fetch(
                f"EXPLAIN (COSTS OFF) SELECT queue, count(*) FROM mainstay.jobs"
                f" WHERE tenant_id = '{tenant_id}' AND {condition} GROUP BY queue"
            )
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert index in plan, plan


async def test_claim_of_many_slots_takes_from_many_tenants(full_urls: DatabaseUrls) -> None:
    database = await Database.connect(full_urls.app, scope_key=SCOPE_KEY)
    async with database.keyhole() as tx:
        claimed = await store.claim(tx, queues=["full"], kinds=["note"], worker="test", count_max=8, lease_s=60)
    await database.close()
    assert len(claimed) == len({lease.tenant_id for lease in claimed}) == 8


DEAD, WAITING = 20_000, 10
HELD = f"""
SET session_replication_role = replica;
INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, run_at, attempts_max)
SELECT '00000000-0000-7000-8000-000000000001', lpad(n::text, 32, '0')::uuid, gen_random_uuid(), 'r', 'held', 'note',
       '{{}}', now() - interval '1 hour', 5
  FROM generate_series(1, {DEAD + WAITING}) n;
"""
FINISH = f"""
SET session_replication_role = replica;
UPDATE mainstay.jobs SET state = 'succeeded', finished_at = now()
 WHERE queue = 'held' AND id <= lpad('{DEAD}', 32, '0')::uuid;
"""


async def test_claim_from_its_place_passes_over_no_dead_entries(full_urls: DatabaseUrls) -> None:
    """A transaction from before they finished keeps the entries of 20,000 jobs in the index of what waits."""
    connection = await asyncpg.connect(full_urls.superuser)
    holder = await asyncpg.connect(full_urls.superuser)
    try:
        await connection.execute(HELD)
        async with holder.transaction(isolation="repeatable_read"):
            assert await holder.fetchval("SELECT count(*) FROM mainstay.jobs WHERE queue = 'held'") == DEAD + WAITING
            await connection.execute(FINISH)
            place_us = await connection.fetchval(
                "SELECT (extract(epoch FROM min(run_at)) * 1000000)::bigint FROM mainstay.jobs WHERE queue = 'held'"
            )
            queue = {"queues": "ARRAY['held']"}
            anew = await plan_of(connection, "claim_jobs", **queue)
            placed = await plan_of(
                connection, "claim_jobs", **queue, anew="false", line_queues="ARRAY['held']",
                line_tenants="ARRAY['00000000-0000-7000-8000-000000000001'::uuid]", line_priorities="ARRAY[1]",
                line_run_ats_us=f"ARRAY[{place_us}::bigint]", line_jobs=f"ARRAY[lpad('{DEAD}', 32, '0')::uuid]",
            )  # fmt: skip
    finally:
        await holder.close()
        await connection.close()
    read_anew, read_placed = (int(re.findall(r"shared hit=(\d+)", plan)[0]) for plan in (anew, placed))
    assert read_anew > 300, anew
    assert read_placed < read_anew / 2, placed
    assert read_placed < 300, placed


@pytest.mark.parametrize("query", ["finish_job", "hold_job", "postpone_job", "fail_job"])
async def test_fenced_queries_do_not_ask_for_the_state(query: str) -> None:
    """With `state = 'running'` the planner may walk the index of what runs, dead entries and all, for one row."""
    assert "state = 'running'" not in load_queries("mainstay.platform.jobs")[query].sql
