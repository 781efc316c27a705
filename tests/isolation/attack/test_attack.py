"""The attack: every operation, nine principals, the victim's ids in every place that takes one (goal S.T3).

Nothing of the victim's comes back, in a body, a header, an error, a metric or a log, and its ids are answered like
ids that nobody has.
"""

import asyncio
import time

import asyncpg
import httpx2
import pytest

from tests.isolation.attack.cases import Case, cases_of
from tests.isolation.attack.exchange import Tally, carry_out
from tests.isolation.attack.principals import Attacker, Stage, make_stage
from tests.isolation.operations import NAMELESS, STAFF_ONLY, WAYS, method_of
from tests.support.figures import Figures
from tests.support.processes import RunningProcesses

PRINCIPALS = 9
CONNECTIONS_MAX = 16
REQUESTS_DEEP_MIN = 50_000
WHOLE_STAGES = 2
# The short form takes each case from one principal in turn.
REQUESTS_SHORT_MIN = 400
# Removals come last: with them the victim's things would be gone for the cases that follow.
# Before them come those by which attackers make things of the victim's names in stores of their own.
OPERATIONS = [
    *NAMELESS,
    *sorted(WAYS, key=lambda name: (name.startswith("DELETE"), not all(way.steady for way in WAYS[name]))),
]


async def succeeds_for_owner(stage: Stage, operation: str, way: int) -> str:
    """Return why a way did not succeed for whoever owns the things with the canary in the response, or nothing."""
    member = stage.auditor if operation in STAFF_ONLY else stage.victim
    if operation in NAMELESS:
        path, options = NAMELESS[operation]
        silent = "it names nothing"
    else:
        path, options = WAYS[operation][way].call(stage.things)
        silent = WAYS[operation][way].silent
    response = await member.http.request(method_of(operation), path, **options)
    if response.status_code != 200:
        return f"{operation} answered its owner {response.status_code}: {response.text[:200]}"
    if not silent and stage.things.canary not in response.text:
        return f"{operation} answered its owner without the canary: {response.text[:200]}"
    return ""


async def attack_operation(stage: Stage, operation: str, tally: Tally, *, everyone: bool) -> None:
    """Carry out the cases of one operation over concurrent connections; all principals or one in turn for each."""
    removes = operation.startswith("DELETE")
    ways = range(len(WAYS.get(operation, "1")))
    failed: set[int] = set()

    async def try_as_owner() -> None:
        for way in ways:
            if sentence := await succeeds_for_owner(stage, operation, way):
                tally.not_tried.append(sentence)
                failed.add(way)

    if not removes:
        await try_as_owner()
    waiting = iter(
        (attacker, case)
        for number, case in enumerate(cases_of(operation))
        if case.way not in failed
        for place, attacker in enumerate(stage.attackers)
        if everyone or (number + OPERATIONS.index(operation)) % PRINCIPALS == place
    )

    async def work() -> None:
        for attacker, case in waiting:
            await carry_out(attacker, case, stage.things, tally)

    await asyncio.gather(*(work() for _ in range(CONNECTIONS_MAX)))
    if removes:
        await try_as_owner()


async def attack(running: RunningProcesses, superuser: asyncpg.Connection, tally: Tally, *, everyone: bool) -> Stage:
    """Carry out all cases against one new victim, and then remove what it has in its own name."""
    stage = await make_stage(running.system, superuser)
    assert len({attacker.name for attacker in stage.attackers}) == PRINCIPALS
    for operation in OPERATIONS:
        await attack_operation(stage, operation, tally, everyone=everyone)
    return stage


async def search_elsewhere(running: RunningProcesses, superuser: asyncpg.Connection, stages: list[Stage]) -> list[str]:
    """Return the canaries in logs and metrics, and in what the database keeps of jobs and of the audit."""
    async with httpx2.AsyncClient(base_url=running.system.address, trust_env=False) as http:
        places = {"/metrics": (await http.get("/metrics")).content}
    places |= {str(log): log.read_bytes() for log in running.logs}
    for table in ("jobs", "audit_entries"):
        rows = await superuser.fetchval(f"SELECT string_agg(t::text, ' ') FROM mainstay.{table} t")
        places[table] = rows.encode()
    assert all(len(content) > 1000 for content in places.values()), {n: len(c) for n, c in places.items()}
    return [
        f"{stage.things.canary} in {place}"
        for stage in stages
        for place, content in places.items()
        if stage.things.canary.encode() in content
    ]


def report(tally: Tally, figures: Figures, seconds: float) -> None:
    figures.record("attack: requests", tally.requests, unit="requests")
    figures.record(
        "attack: cases", tally.passed, tried=tally.passed + len(tally.differences), skipped=len(tally.not_tried)
    )
    print(
        f"{tally.requests} requests in {seconds:.0f} s, {tally.passed} cases passed, {len(tally.not_tried)} not tried"
    )
    print(f"statuses {dict(sorted(tally.statuses.items()))}")


async def run(
    running: RunningProcesses, superuser: asyncpg.Connection, figures: Figures, *, requests_min: int, everyone: bool
) -> None:
    tally, stages, started = Tally(), [], time.monotonic()
    while tally.requests < requests_min:
        # What is then missing is made up by stages in which each case is one principal's.
        whole = everyone and len(stages) < WHOLE_STAGES
        stages.append(await attack(running, superuser, tally, everyone=whole))
    report(tally, figures, time.monotonic() - started)
    assert tally.not_tried == []
    assert tally.leaks == []
    assert tally.differences == []
    assert await search_elsewhere(running, superuser, stages) == []


async def test_attack_in_short(
    processes: RunningProcesses, superuser: asyncpg.Connection, record_figure: Figures
) -> None:
    await run(processes, superuser, record_figure, requests_min=REQUESTS_SHORT_MIN, everyone=False)


@pytest.mark.deep
@pytest.mark.timeout(2700)
async def test_attack_in_full(
    processes: RunningProcesses, superuser: asyncpg.Connection, record_figure: Figures
) -> None:
    await run(processes, superuser, record_figure, requests_min=REQUESTS_DEEP_MIN, everyone=True)


async def test_leak_is_noticed(processes: RunningProcesses, superuser: asyncpg.Connection) -> None:
    """Someone who may see what the victim has is reported for every case that names its things."""
    stage = await make_stage(processes.system, superuser)
    spy = Attacker("the auditor", stage.auditor.http, stage.attackers[0].own, stage.auditor)
    noticed = 0
    for operation, ways in WAYS.items():
        for number, way in enumerate(ways):
            case = Case(operation, number, way.slots)
            if case.steady and not operation.startswith("DELETE"):
                tally = Tally()
                await carry_out(spy, case, stage.things, tally)
                assert tally.leaks or way.silent, case
                # Where a thing is named as a cursor, the rows after it are the same for an unknown one.
                assert tally.differences or "cursor" in case.places, case
                noticed += 1
    assert noticed > 20


async def test_who_may_share_finds_by_their_ids_the_members_of_its_tenant_alone(
    processes: RunningProcesses, superuser: asyncpg.Connection
) -> None:
    stage = await make_stage(processes.system, superuser)
    sharers = [one for one in stage.attackers if one.member is not None and one.member.role != "customer"]
    cases = [case for name in WAYS if name.endswith("/audience") for case in cases_of(name) if case.names_members]
    tally = Tally()
    for sharer in sharers:
        for case in cases:
            await carry_out(sharer, case, stage.things, tally)
    assert (tally.leaks, tally.differences) == ([], [])
    # A group of the victim's alone or with the victim is there for the service beside it; it has no group of its own.
    assert tally.statuses[200] == len(cases) * 2 // 3
    assert len(sharers) == 4
