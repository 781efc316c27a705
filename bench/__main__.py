"""`make bench`: every bench of speed, one after the other, and one table of goals at the end.

The exit code is 0 where every bench ran, whether or not its goals were met, and 1 where one could not run or measured
nothing. Each also runs alone: `python -m bench.search --help`.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, load_figures, machine, print_figures

REPOSITORY = Path(__file__).parents[1]
BENCHES = ("ingest", "rows", "turnaround", "search", "cold_import")
_DEADLINE_S = 900.0


def run(bench: str, folder: Path) -> list[Figure]:
    """Run one bench and return its figures, none where it failed."""
    print(f"\n=== {bench} ===", flush=True)
    path = folder / f"{bench}.json"
    command = [sys.executable, "-m", f"bench.{bench}", "--figures", str(path)]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, timeout=_DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        print(f"NOT RUN: {bench} did not end within {_DEADLINE_S:g} s.")
        return []
    return load_figures(path) if done.returncode == 0 and path.exists() else []


def main() -> int:
    """Run all, print the table, return the exit code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = {bench: run(bench, Path(folder)) for bench in BENCHES}
    print(f"\n=== all, in {time.monotonic() - started:.0f} s ===\n{machine()}")
    print_figures(figure for figures in found.values() for figure in figures)
    failed = [bench for bench, figures in found.items() if not figures]
    if failed:
        print(f"\nNOT RUN: {', '.join(failed)}; see above for why.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
