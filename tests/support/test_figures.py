"""A check that tried nothing is a failure."""

import pytest

from tests.support.figures import Figure, Figures, idle_suites


def test_cases_of_which_none_was_tried_are_refused(request: pytest.FixtureRequest) -> None:
    with pytest.raises(AssertionError, match="nothing to try: no case was tried"):
        Figures(request.node).record("nothing to try", 0, tried=0)


def test_suite_of_which_every_test_was_skipped_is_idle() -> None:
    tried = {"passed": 0, "failed": 1, "skipped": 1}
    assert idle_suites({"a": {**tried, "failed": 0}, "b": tried, "c": {**tried, "passed": 3}}) == ["a"]


def test_figure_reads_as_a_line() -> None:
    assert str(Figure("cases", 9, tried=10, skipped=2)) == "cases: 10 tried, 9 passed, 2 skipped"
    assert str(Figure("mutants of rules", 1, "why", tried=1)) == "mutants of rules: 1 tried, 1 killed, 0 skipped; why"
    assert str(Figure("p95", 1234.5, "ms")) == "p95: 1,234 ms"
