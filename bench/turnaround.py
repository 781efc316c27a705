"""`python -m bench.turnaround`: how soon an upload is found, and what a second ingest of the same costs (F.I3).

Both on the system as `mainstay up` runs it, over HTTP: one page of text uploaded, put into a store and searched for
until it is found, one after the other; and `mainstay ingest` of the same files twice, as a user types it.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench.documents import Sample, sample
from bench.figures import Figure, machine, print_figures, save_figures
from bench.postgres import temporary_folder
from bench.running import MAINSTAY, RunningSystem, running_system
from mainstay.sdk import Client

UPLOADS = 25
FOUND_DEADLINE_S = 30.0
INGEST_DEADLINE_S = 600.0
_PAUSE_S = 0.02
_PAGE = (
    "The pump of station {mark} is serviced in spring. "
    + "Its filter is rinsed, its seal greased, its log signed. " * 40
)


def time_until_found(client: Client, store_id: str, number: int, folder: Path) -> float:
    """Upload a page that is like no other and return the seconds until a search finds it."""
    mark = f"zephyrine{number:04}"
    page = folder / f"{mark}.txt"
    page.write_text(_PAGE.format(mark=mark), encoding="utf-8")
    started = time.perf_counter()
    file_id = client.upload(page)["id"]
    client.call("POST", f"/v1/vector_stores/{store_id}/files", json={"file_id": file_id})
    while time.perf_counter() - started < FOUND_DEADLINE_S:
        found = client.call("POST", f"/v1/vector_stores/{store_id}/search", json={"query": f"pump of station {mark}"})
        if any(one["filename"] == page.name for one in found["data"]):
            return time.perf_counter() - started
        time.sleep(_PAUSE_S)
    raise SystemExit(f"NOT RUN: an upload was not found within {FOUND_DEADLINE_S:g} s.")


def measure_uploads(system: RunningSystem, folder: Path, uploads: int) -> Sequence[float]:
    """Return the sorted seconds of each upload but the first, which warms up."""
    with system.client() as client:
        store_id = client.store("turnaround", create=True)["id"]  # type: ignore[index]
        return sorted([time_until_found(client, store_id, number, folder) for number in range(uploads + 1)][1:])


def ingest(system: RunningSystem, files: Sequence[Path]) -> tuple[float, dict[str, int]]:
    """Run `mainstay ingest` and return its seconds and counts."""
    command = [str(MAINSTAY), "ingest", "--store", "again", "--json", *map(str, files)]
    started = time.perf_counter()
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=system.environment, timeout=INGEST_DEADLINE_S
    )
    return time.perf_counter() - started, json.loads(done.stdout)


def run(chosen: Sample, uploads: int) -> list[Figure]:
    """Measure and print."""
    with temporary_folder() as folder, running_system(folder) as system:
        seconds = measure_uploads(system, folder, uploads)
        first_s, first = ingest(system, chosen.files)
        again_s, again = ingest(system, chosen.files)
        started = time.perf_counter()
        subprocess.run([MAINSTAY, "--help"], check=True, capture_output=True, env=system.environment, timeout=60)
        start_s = time.perf_counter() - started
    middle, last = seconds[len(seconds) // 2], seconds[-1]
    print(f"{len(seconds)} uploads of a page: p50 {middle * 1000:.0f} ms, slowest {last * 1000:.0f} ms")
    print(
        f"ingest of {first['total']} files: first {first_s:.2f} s ({first['completed']} taken), again {again_s:.2f} s"
        f" ({again['unchanged']} unchanged), of both {start_s:.2f} s the start of the command"
    )
    if not first["completed"] or again["unchanged"] < first["completed"]:
        raise SystemExit(f"NOT RUN: {again['unchanged']} of {first['completed']} files were recognised as unchanged.")
    return [
        Figure("F.I3", f"upload of a page until it is found, slowest of {len(seconds)}", last, " s", at_most=2),
        Figure("", "the same, median", middle, " s"),
        Figure("F.I3", "re-ingest of unchanged files against the first ingest", first_s / again_s, "×", at_least=20),
        Figure("", "the same without the start of the command", (first_s - start_s) / (again_s - start_s), "×"),
    ]


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=UPLOADS)
    parser.add_argument("--files", type=int, default=0, help="about so many files of the sample; all without")
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    chosen = sample().first(options.files) if options.files else sample()
    print(f"{machine()}\n{chosen.origin}\n")
    figures = run(chosen, options.uploads)
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
