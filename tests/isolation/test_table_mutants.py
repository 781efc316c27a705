"""Each row of the declared table, and each right of a role in it, is missed when it is another (S.P2)."""

from collections import Counter
from collections.abc import Sequence

import httpx2
import pytest

from mainstay.control.access.operations import DECLARED
from tests.isolation.matrix import make_principals
from tests.isolation.mutants import Score
from tests.isolation.table_mutants import TEXT, TableMutant, killer, table_mutants
from tests.support.figures import Figures
from tests.support.system import TestSystem

MUTANTS_MIN = 600
SHORT_STEP = 23
KINDS = {"row", "public", "role"}


async def run(system: TestSystem, figures: Figures, mutants: Sequence[TableMutant]) -> Score:
    principals = await make_principals(system)
    score = Score()
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False, timeout=60) as http:
        for mutant in mutants:
            assert mutant.text != TEXT, mutant.name
            if by := await killer(system.app, http, principals, mutant):
                score.killed[mutant.name] = by
            else:
                score.survived.append(mutant.name)
    print(score)
    print(f"by kind: {dict(Counter(mutant.kind for mutant in mutants))}")
    score.record("the permission table", figures)
    assert system.app.state.declared is DECLARED
    return score


async def test_some_mutants_of_the_table_are_killed(system: TestSystem, record_figure: Figures) -> None:
    score = await run(system, record_figure, table_mutants()[::SHORT_STEP])
    assert score.survived == []
    assert score.tried >= MUTANTS_MIN // SHORT_STEP


@pytest.mark.deep
@pytest.mark.timeout(900)
async def test_every_mutant_of_the_table_is_killed(system: TestSystem, record_figure: Figures) -> None:
    mutants = table_mutants()
    score = await run(system, record_figure, mutants)
    assert score.survived == []
    assert {mutant.kind for mutant in mutants} == KINDS
    assert score.tried >= MUTANTS_MIN
    # What is only a difference from the rules shows in no operation: whom a role sees, and rights asked for elsewhere.
    by_rules = [name for name, by in score.killed.items() if by == "rules"]
    assert all("sees_all" in name or "owners.manage" in name or "answers.delete" in name for name in by_rules), by_rules


async def test_table_that_is_the_same_survives(system: TestSystem) -> None:
    principals = await make_principals(system)
    same = TableMutant("row", "the same", TEXT, ["GET /v1/audit", "POST /v1/keys"])
    async with httpx2.AsyncClient(base_url=system.address, trust_env=False, timeout=60) as http:
        assert await killer(system.app, http, principals, same) == ""
