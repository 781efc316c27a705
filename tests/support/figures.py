"""Figures that tests measured, printed together when the run has ended: a pytest plugin.

A test takes the fixture `record_figure` and tells what it counted or measured. At the end of a run stand, for each
suite, how many tests passed, failed and were skipped, and under them its figures.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytest

_PROPERTY = "figure"


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
            return f"{self.name}: {self.tried:,} tried, {value} passed, {self.skipped:,} skipped"
        return f"{self.name}: {value} {self.unit}".rstrip()


class Figures:
    """Takes the figures of one test."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node

    def record(self, name: str, value: float, *, unit: str = "", tried: int | None = None, skipped: int = 0) -> None:
        """Record a figure; the processes of the run hand it on with the report of the test."""
        self._node.user_properties.append((_PROPERTY, asdict(Figure(name, value, unit, tried, skipped))))


@pytest.fixture
def record_figure(request: pytest.FixtureRequest) -> Figures:
    """Return what takes the figures of this test."""
    return Figures(request.node)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the figures, and for the heavy suite how its tests went."""
    stats: Mapping[str, list[Any]] = terminalreporter.stats
    reports = [one for outcome in ("passed", "failed", "skipped") for one in stats.get(outcome, ())]
    lines = [
        f"{suite_of(one.nodeid)}: {Figure(**value)}"
        for one in reports
        if one.when == "call"
        for name, value in one.user_properties
        if name == _PROPERTY
    ]
    if config.option.markexpr == "deep":
        lines = [*_outcomes(stats), *lines]
    if lines:
        terminalreporter.section("figures")
        for line in sorted(lines):
            terminalreporter.write_line(line)


def suite_of(nodeid: str) -> str:
    """Return the suite of a test, which is its file below the folder of tests."""
    return nodeid.split("::", 1)[0].removeprefix("tests/").removesuffix(".py")


def _outcomes(stats: Mapping[str, list[Any]]) -> list[str]:
    suites: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for one in stats.get(outcome, ()):
            counts = suites.setdefault(suite_of(one.nodeid), dict.fromkeys(("passed", "failed", "skipped"), 0))
            counts["failed" if outcome == "error" else outcome] += 1
    suites["all suites"] = {
        outcome: sum(counts[outcome] for counts in suites.values()) for outcome in ("passed", "failed", "skipped")
    }
    return [
        f"{suite}: {sum(counts.values())} tests, {counts['passed']} passed, {counts['failed']} failed,"
        f" {counts['skipped']} skipped"
        for suite, counts in suites.items()
    ]
