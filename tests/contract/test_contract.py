"""Generated calls of every operation keep what the description of the API promises."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky, Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation

from tests.contract.conftest import Contract
from tests.support.figures import Figures

WALKS_MAX = 400
SETTINGS = settings(
    deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], print_blob=False
)


def fuzz(contract: Contract, cases: int) -> int:
    """Spread `cases` over all operations and ways, make the calls, and return how many ways had nothing to try."""
    ways = [way for operation in contract.operations() for way in _ways(contract, operation)]
    empty = 0
    for way in ways:

        @given(case=way)
        @settings(SETTINGS, max_examples=-(-cases // len(ways)))
        def one(case: Case) -> None:
            contract.call(case)

        try:
            one()
        except Unsatisfiable:
            empty += 1
    return empty


def _ways(contract: Contract, operation: APIOperation) -> Iterator[SearchStrategy[Case]]:
    """Yield calls as they should be, calls with something wrong, and calls of things that are there."""
    yield operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    named = {parameter.name for parameter in operation.path_parameters}
    if named and named <= contract.ids.keys() and operation.method != "delete":
        ids = {name: contract.ids[name] for name in named}
        yield operation.as_strategy(generation_mode=GenerationMode.POSITIVE, path_parameters=ids)
        yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, path_parameters=ids)


def verdict(name: str, contract: Contract, cases_min: int, figures: Figures, empty: int = 0) -> None:
    """Tell what was tried, and fail on any violation, or where too little was tried."""
    failed = len(contract.violations)
    statuses = dict(sorted(contract.statuses.items()))
    told = f"broken in {failed} ways; skipped are ways with nothing to generate; by status {statuses}"
    figures.record(name, contract.cases - contract.broken, unit=told, tried=contract.cases, skipped=empty)
    assert contract.statuses[429] == 0, "limits refused calls, so that what they would have met was not seen"
    assert not contract.violations, "\n\n".join(f"{kind}\n{text}" for kind, text in contract.violations.items())
    assert contract.cases >= cases_min


def test_generated_calls_keep_the_contract(contract: Contract, record_figure: Figures) -> None:
    verdict("contract", contract, 300, record_figure, fuzz(contract, 400))


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_many_generated_calls_keep_the_contract(contract: Contract, record_figure: Figures) -> None:
    verdict("contract", contract, 20_000, record_figure, fuzz(contract, 24_000))


def walk(contract: Contract, steps: int) -> None:
    """Follow what calls return into other calls, until at least `steps` were made."""
    machine = contract.schema.as_state_machine()

    class Walk(machine):  # type: ignore[misc, valid-type]
        def call(self, case: Case, **_: object) -> object:
            return contract.call(case)

        def validate_response(self, response: object, case: Case, **_: object) -> None:
            """Everything was checked when the call was made."""

    for _ in range(WALKS_MAX):
        if contract.cases >= steps:
            return
        # The server remembers earlier walks, so that one may not go the same way twice; Hypothesis ends it then. Every
        # call it had made was checked when it was made.
        with suppress(Flaky):
            Walk.run(settings=settings(SETTINGS, max_examples=20, stateful_step_count=20))


def test_calls_that_follow_from_each_other_keep_the_contract(contract: Contract, record_figure: Figures) -> None:
    walk(contract, 60)
    verdict("stateful contract", contract, 60, record_figure)


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_many_calls_that_follow_from_each_other_keep_the_contract(contract: Contract, record_figure: Figures) -> None:
    walk(contract, 2_000)
    verdict("stateful contract", contract, 2_000, record_figure)
