"""Each rule of access in Python and in the functions of the keyhole is missed by a test when it is gone.

The short form takes some, and looks at all of them for rows that are stale; the heavy one takes all and prints the
score. What is changed is a copy of the package, never the tree.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.isolation.mutants import Score
from tests.isolation.mutated_package import MutatedPackage, RuleMutant, rule_mutants
from tests.support.figures import Figures

MUTANTS_MIN = 80
# The short form's: one of each kind that costs little.
SHORT = ("the scopes of a key are asked", "an expired key is no key", "what has nothing left is refused")
# Taken in so many parts, so that they can run beside each other.
PARTS = 4


async def run(folder: Path, figures: Figures, mutants: Sequence[RuleMutant]) -> Score:
    package, score = MutatedPackage(folder), Score()
    for mutant in mutants:
        if by := await package.run(mutant.tests, mutant):
            score.killed[mutant.rule] = by.split("::")[0].rsplit("/", 1)[-1].removesuffix(".py")
        else:
            score.survived.append(mutant.rule)
        print(f"{mutant.rule}: {by or 'SURVIVED'}")
    print(score)
    score.record("rules of access", figures)
    return score


def test_every_mutant_is_one() -> None:
    """A row whose text is not in the package any more would make no hole, and its rule would go untested."""
    mutants = rule_mutants()
    for mutant in mutants:
        mutant.changed()
    assert len({mutant.rule for mutant in mutants}) == len(mutants) >= MUTANTS_MIN


@pytest.mark.timeout(300)
async def test_some_mutants_of_rules_are_killed(tmp_path: Path, record_figure: Figures) -> None:
    chosen = [mutant for mutant in rule_mutants() if mutant.rule in SHORT]
    assert len(chosen) == len(SHORT)
    score = await run(tmp_path, record_figure, chosen)
    assert score.survived == []


@pytest.mark.timeout(300)
async def test_package_without_a_hole_passes(tmp_path: Path) -> None:
    """What kills a mutant is the mutant: on the copy as it is, the tests pass."""
    assert await MutatedPackage(tmp_path).run(["tests/control/access/test_access.py"]) == ""


@pytest.mark.deep
@pytest.mark.timeout(2700)
@pytest.mark.parametrize("part", range(PARTS))
async def test_every_mutant_of_rules_is_killed(tmp_path: Path, record_figure: Figures, part: int) -> None:
    score = await run(tmp_path, record_figure, rule_mutants()[part::PARTS])
    assert score.survived == []
    assert score.tried >= MUTANTS_MIN // PARTS


@pytest.mark.deep
@pytest.mark.timeout(900)
async def test_suites_pass_on_the_package_without_a_hole(tmp_path: Path) -> None:
    suites = sorted({test for mutant in rule_mutants() for test in mutant.tests})
    assert await MutatedPackage(tmp_path).run(suites, deadline_s=800) == ""
