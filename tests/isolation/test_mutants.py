"""Each wall is missed when it is gone: one policy, right, function, trigger or filter at a time.

The short form takes every eleventh mutant; the heavy one takes all of them and prints the score.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from tests.isolation.mutants import (
    Judge,
    Mutant,
    Score,
    filter_mutants,
    other_mutants,
    policy_mutants,
    right_mutants,
)
from tests.isolation.rows import tenant_table_names
from tests.support.database import DatabaseUrls
from tests.support.figures import Figures

KINDS = {"policy", "right", "function", "trigger", "role", "filter"}
MUTANTS_MIN = 500
SHORT_STEP = 11
# Mutants that no check needs to notice, each with the reason.
HARMLESS = {
    "REVOKE SELECT ON mainstay.request_counters FROM mainstay_runtime": "counters are read through the keyhole",
    "REVOKE SELECT ON mainstay.migrations FROM mainstay_runtime": "nothing opens; the start of each process fails",
}


@pytest.fixture
async def superuser(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.superuser)
    yield connection
    await connection.close()


async def all_mutants(connection: asyncpg.Connection, tables: Sequence[str]) -> list[Mutant]:
    policies, rights = await policy_mutants(connection, tables), await right_mutants(connection, tables)
    return [*policies, *rights, *other_mutants(), *filter_mutants()]


async def judge_all(judge: Judge, mutants: Sequence[Mutant]) -> Score:
    score = Score()
    for mutant in mutants:
        if killer := await judge.killer(mutant):
            score.killed[mutant.name] = killer
        else:
            score.survived.append(mutant.name)
    return score


async def run(
    superuser: asyncpg.Connection, urls: DatabaseUrls, figures: Figures, *, step: int
) -> tuple[list[Mutant], Score]:
    tables = await tenant_table_names(urls.superuser)
    judge = Judge(superuser, tables)
    await judge.prepare()
    mutants = (await all_mutants(superuser, tables))[::step]
    score = await judge_all(judge, mutants)
    print(score)
    print("\n".join(f"survived: {name}" for name in score.survived))
    print(f"by kind: {dict(Counter(mutant.kind for mutant in mutants))}")
    score.record("the schema and of filters", figures, HARMLESS)
    return mutants, score


async def test_some_mutants_are_killed(
    superuser: asyncpg.Connection, database_urls: DatabaseUrls, record_figure: Figures
) -> None:
    _, score = await run(superuser, database_urls, record_figure, step=SHORT_STEP)
    assert [name for name in score.survived if name not in HARMLESS] == []
    assert score.tried >= MUTANTS_MIN // SHORT_STEP


@pytest.mark.deep
@pytest.mark.timeout(1800)
async def test_every_mutant_is_killed(
    superuser: asyncpg.Connection, database_urls: DatabaseUrls, record_figure: Figures
) -> None:
    mutants, score = await run(superuser, database_urls, record_figure, step=1)
    assert sorted(score.survived) == sorted(HARMLESS)
    assert {mutant.kind for mutant in mutants} == KINDS
    assert score.tried >= MUTANTS_MIN


async def test_survivor_is_reported(superuser: asyncpg.Connection, database_urls: DatabaseUrls) -> None:
    """A change that opens nothing is nobody's to notice, and the score says that it survived."""
    tables = await tenant_table_names(database_urls.superuser)
    judge = Judge(superuser, tables)
    await judge.prepare()
    planted = Mutant(
        "policy", "a comment", ("COMMENT ON POLICY tenant ON mainstay.files IS 'planted'",), "mainstay.files"
    )
    open_files = next(
        mutant
        for mutant in await policy_mutants(superuser, tables)
        if mutant.name == "mainstay.files: policy tenant open"
    )
    score = await judge_all(judge, [planted, open_files])
    assert score.survived == [planted.name]
    assert score.killed == {open_files.name: "rows"}
    # What was made is taken back, so that the next is judged alone.
    assert await judge.killer(planted) == ""


async def test_mutants_leave_nothing_behind(superuser: asyncpg.Connection, database_urls: DatabaseUrls) -> None:
    tables = await tenant_table_names(database_urls.superuser)
    judge = Judge(superuser, tables)
    await judge.prepare()
    before = await superuser.fetch("SELECT * FROM pg_policies ORDER BY 1, 2, 3")
    for mutant in (await policy_mutants(superuser, tables))[:3]:
        assert await judge.killer(mutant)
    assert await superuser.fetch("SELECT * FROM pg_policies ORDER BY 1, 2, 3") == before
