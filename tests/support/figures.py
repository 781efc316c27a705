"""Figures that tests measured, printed together when the run has ended: a pytest plugin.

A test takes the fixture `record_figure` and tells what it counted or measured. At the end of a run stand, for each
suite, how many tests passed, failed and were skipped, and under them its figures. The heavy suite ends with what all of
it tried; there a check that tried nothing is a failure, also one of which every test was skipped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytest

_PROPERTY = "figure"
MUTANTS = "mutants"


@dataclass(frozen=True)
class Figure:
    """One line of the report: a value with its unit, or cases that passed of those tried, and those skipped."""

    name: str
    value: float
    unit: str = ""
    tried: int | None = None
    skipped: int = 0

    def __str__(self) -> str:
        value = f"{self.value:,.4g}" if isinstance(self.value, float) else f"{self.value:,}"
        if self.tried is not None:
            passed = "killed" if self.name.startswith(MUTANTS) else "passed"
            cases = f"{self.tried:,} tried, {value} {passed}, {self.skipped:,} skipped"
            return f"{self.name}: {cases}" + (f"; {self.unit}" if self.unit else "")
        return f"{self.name}: {value} {self.unit}".rstrip()


class Figures:
    """Takes the figures of one test."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node

    def record(self, name: str, value: float, *, unit: str = "", tried: int | None = None, skipped: int = 0) -> None:
        """Record a figure; the processes of the run hand it on with the report of the test.

        Of cases, `value` of `tried` passed, and `unit` says more of them. Raises AssertionError where none was tried.
        """
        assert tried != 0, f"{name}: no case was tried"
        self._node.user_properties.append((_PROPERTY, asdict(Figure(name, value, unit, tried, skipped))))


@pytest.fixture
def record_figure(request: pytest.FixtureRequest) -> Figures:
    """Return what takes the figures of this test."""
    return Figures(request.node)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the figures, and for the heavy suite how its tests went."""
    stats: Mapping[str, list[Any]] = terminalreporter.stats
    found = [(suite_of(one.nodeid), figure) for one in _reports(stats) for figure in _figures_of(one)]
    lines = sorted(f"{suite}: {figure}" for suite, figure in found)
    if _is_heavy(config):
        lines = sorted([*_outcomes(stats), *lines]) + _totals(stats, [figure for _, figure in found])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a heavy run fail in which a suite tried nothing."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _is_heavy(session.config) and idle_suites(_counts(reporter.stats)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def suite_of(nodeid: str) -> str:
    """Return the suite of a test, which is its file below the folder of tests."""
    return nodeid.split("::", 1)[0].removeprefix("tests/").removesuffix(".py")


def idle_suites(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the suites of which every test was skipped."""
    return sorted(suite for suite, one in counts.items() if not one["passed"] + one["failed"])


def _is_heavy(config: pytest.Config) -> bool:
    return config.option.markexpr == "deep"


def _reports(stats: Mapping[str, list[Any]]) -> list[Any]:
    return [one for outcome in ("passed", "failed", "skipped") for one in stats.get(outcome, ()) if one.when == "call"]


def _figures_of(report: Any) -> list[Figure]:
    return [Figure(**value) for name, value in report.user_properties if name == _PROPERTY]


def _counts(stats: Mapping[str, list[Any]]) -> dict[str, dict[str, int]]:
    suites: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for one in stats.get(outcome, ()):
            counts = suites.setdefault(suite_of(one.nodeid), dict.fromkeys(("passed", "failed", "skipped"), 0))
            counts["failed" if outcome == "error" else outcome] += 1
    return suites


def _outcomes(stats: Mapping[str, list[Any]]) -> list[str]:
    return [f"{suite}: {_words(counts)}" for suite, counts in _counts(stats).items()]


def _words(counts: Mapping[str, int]) -> str:
    return (
        f"{sum(counts.values())} tests, {counts['passed']} passed, {counts['failed']} failed,"
        f" {counts['skipped']} skipped"
    )


def _totals(stats: Mapping[str, list[Any]], figures: Iterable[Figure]) -> list[str]:
    """Return the last lines of the report: tests, cases, mutants with their score, and what tried nothing."""
    counts = _counts(stats)
    tests = {name: sum(one[name] for one in counts.values()) for name in ("passed", "failed", "skipped")}
    cases = [one for one in figures if one.tried is not None]
    mutants = [one for one in cases if one.name.startswith(MUTANTS)]
    others = [one for one in cases if one not in mutants]
    lines = [f"all tests: {_words(tests)}"]
    if others:
        lines.append(f"all {_sum('cases', others)}")
    if mutants:
        total = _sum(MUTANTS, mutants)
        lines.append(f"all {total}; mutation score {100 * total.value / (total.tried or 1):.1f} %")
    return lines + [f"{suite}: tried no case, for each of its tests was skipped" for suite in idle_suites(counts)]


def _sum(name: str, figures: Iterable[Figure]) -> Figure:
    counted = list(figures)
    return Figure(
        name,
        sum(one.value for one in counted),
        tried=sum(one.tried or 0 for one in counted),
        skipped=sum(one.skipped for one in counted),
    )
