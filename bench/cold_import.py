"""`python -m bench.cold_import`: what a cold start imports, in CPU milliseconds (F.A3).

Each in a fresh interpreter whose bytecode lies ready, minus what the bare interpreter takes; medians. The peers'
imports run in their own environment with the same Python. F.A3 speaks of the function that serves an answer in the
cloud, which does not exist yet: what is held against it here is the server of one machine, which carries more.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.contender import PEERS_PYTHON, peers_missing
from bench.figures import Figure, machine, print_figures, save_figures

RUNS = 5
TOP = 12
_DEADLINE_S = 60.0
NOTHING, SERVER, COMMANDS, FASTAPI, PSYCOPG = (
    "nothing", "the server", "the command line", "FastAPI", "FastAPI + psycopg",
)  # fmt: skip
IMPORTS: Mapping[str, tuple[Path, str]] = {
    NOTHING: (Path(sys.executable), "pass"),
    SERVER: (Path(sys.executable), "import mainstay.edge.server.__main__"),
    COMMANDS: (Path(sys.executable), "import mainstay.edge.cli.app"),
    FASTAPI: (PEERS_PYTHON, "import fastapi"),
    PSYCOPG: (PEERS_PYTHON, "import fastapi, psycopg"),
    "FastAPI + psycopg + psycopg_pool": (PEERS_PYTHON, "import fastapi, psycopg, psycopg_pool"),
}


def cpu_ms(python: Path, code: str) -> float:
    """Return the user and system milliseconds of a fresh interpreter that runs `code`."""
    process = subprocess.Popen([python, "-c", code], stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{python} could not run '{code}'")
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure(runs: int) -> dict[str, float]:
    """Return the median milliseconds of each import without the bare interpreter; rounds take turns."""
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for python, code in IMPORTS.values():
        cpu_ms(python, code)
    for _ in range(runs):
        for name, (python, code) in IMPORTS.items():
            found[name].append(cpu_ms(python, code))
    bare = statistics.median(found[NOTHING])
    return {name: statistics.median(times) - (bare if name != NOTHING else 0) for name, times in found.items()}


def heaviest(code: str) -> list[tuple[float, str]]:
    """Return the milliseconds of the packages that take longest by themselves, their submodules added up."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        check=True, capture_output=True, text=True, timeout=_DEADLINE_S,
    )  # fmt: skip
    spent: dict[str, float] = {}
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            parts = name.strip().split(".")
            package = ".".join(parts[:2]) if parts[0] == "mainstay" else parts[0]
            spent[package] = spent.get(package, 0) + int(own) / 1000
    return sorted(((ms, name) for name, ms in spent.items()), reverse=True)[:TOP]


def run(runs: int) -> list[Figure]:
    """Measure and print."""
    found = measure(runs)
    for name, ms in found.items():
        print(f"{name:34}{ms:8.0f} ms CPU")
    for name in (SERVER, COMMANDS):
        tops = ", ".join(f"{package} {ms:.0f}" for ms, package in heaviest(IMPORTS[name][1]))
        print(f"\nheaviest of {name}, ms on the clock: {tops}")
    ratio = found[SERVER] / found[PSYCOPG]
    return [
        Figure("F.A3", "cold import of the server against FastAPI + psycopg", ratio, "×", at_most=0.4,
               note="the function for the cloud does not exist yet"),
        Figure("", "cold import of the server", found[SERVER], " ms"),
        Figure("", "cold import of the command line", found[COMMANDS], " ms"),
    ]  # fmt: skip


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    if missing := peers_missing():
        sys.exit(missing)
    print(f"{machine()}\n{options.runs} runs, medians\n")
    figures = run(options.runs)
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
