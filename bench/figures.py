"""What the benches found, held against the goals, and on which machine."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OURS = ("mainstay", "asyncpg", "fastapi", "uvicorn", "onnxruntime")


@dataclass(frozen=True)
class Figure:
    """One measured value; `goal` is empty for what is only told, and `note` says what stands behind the value."""

    goal: str
    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def wanted(self) -> str:
        """The goal in words, empty where there is none."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{self.unit}"
        return f"≤ {self.at_most:g}{self.unit}" if self.at_most is not None else ""

    @property
    def verdict(self) -> str:
        """Whether the goal is met, empty where there is none."""
        if not self.wanted:
            return ""
        too_low = self.at_least is not None and self.value < self.at_least
        too_high = self.at_most is not None and self.value > self.at_most
        return "BELOW GOAL" if too_low or too_high else "met"


def print_figures(figures: Iterable[Figure]) -> None:
    """Print one line for each figure."""
    print(f"\n{'goal':5} {'figure':>11} {'wanted':>10}  {'':10} what")
    for one in figures:
        shown = f"{one.value:,.0f}" if one.value >= 1000 else f"{one.value:.3g}"
        note = f" ({one.note})" if one.note else ""
        print(f"{one.goal:5} {shown + one.unit:>11} {one.wanted:>10}  {one.verdict:10} {one.what}{note}")


def save_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(one) for one in figures], indent=2) + "\n", encoding="utf-8")


def load_figures(path: Path) -> list[Figure]:
    """Read what `save_figures` wrote."""
    return [Figure(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def machine() -> str:
    """Return the machine, its load and the versions of what is measured, in one line."""
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {load}; {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}; " + ", ".join(f"{name} {_version(name)}" for name in OURS)
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(missing)"
