"""How long a start takes and how much memory everything needs when nothing happens.

    .venv/bin/python bench/footprint.py

Starts the system in a new folder (first start), stops it, starts it again (second start), waits until it is idle, and
adds up the resident memory of all its processes: as RSS, which counts what they share once for each, and as PSS, which
counts it once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mainstay.platform.processes.ports import pick_port

GOAL_SECOND_START_S = 3.0
GOAL_IDLE_RSS_MIB = 600
STARTS = 3
IDLE_AFTER_S = 75


def mainstay(home: Path, *arguments: str) -> None:
    """Run one command on `home`."""
    subprocess.run(
        [sys.executable, "-m", "mainstay.edge.cli.app", *arguments],
        env={**os.environ, "MAINSTAY_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def start_s(home: Path, port: int) -> float:
    """Return the seconds from the command to `/readyz`."""
    started = time.monotonic()
    mainstay(home, "up", "--port", str(port), "--detach")
    return time.monotonic() - started


def members(home: Path) -> list[int]:
    """Return the processes of the system: those with its home in their environment, and PostgreSQL's under them."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)] = int(stat[1])
            if f"MAINSTAY_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
        except OSError:
            continue
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in found} - found
        found |= children
        grown = bool(children)
    return sorted(found)


def memory_mib(pid: int) -> tuple[float, float]:
    """Return RSS and PSS of one process."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("Rss", "Pss"))  # type: ignore[return-value]


def main() -> int:
    """Print the figures; the exit code is 0 also where one is beyond its goal, which is printed as such."""
    folder = Path(tempfile.mkdtemp(prefix="mainstay-footprint-"))
    folder.chmod(0o755)
    home, port = folder / "home", pick_port("127.0.0.1")
    try:
        print(f"first start   {start_s(home, port):6.1f} s (makes the database, the model and the samples)")
        # Until the samples are ingested it is not idle.
        time.sleep(IDLE_AFTER_S)
        seconds = []
        for _ in range(STARTS):
            mainstay(home, "down")
            seconds.append(start_s(home, port))
        median = sorted(seconds)[STARTS // 2]
        verdict = "met" if median <= GOAL_SECOND_START_S else "below goal"
        load = os.getloadavg()[0]
        print(f"second start  {median:6.1f} s (goal {GOAL_SECOND_START_S:.0f} s: {verdict}; load {load:.1f})")
        time.sleep(IDLE_AFTER_S)
        pairs = [memory_mib(pid) for pid in members(home)]
        if len(pairs) < 5:
            print("the processes of the system were not found", file=sys.stderr)
            return 1
        rss, pss = (sum(column) for column in zip(*pairs, strict=True))
        verdict = "met" if rss <= GOAL_IDLE_RSS_MIB else "below goal"
        print(f"idle memory   {rss:6.0f} MiB RSS (goal {GOAL_IDLE_RSS_MIB}: {verdict})")
        print(f"              {pss:6.0f} MiB PSS, in {len(pairs)} processes")
        return 0
    finally:
        mainstay(home, "down")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
