"""How long a job waits for its start after the commit that queued it, beside what the disk takes to keep a page."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contender import Contender

_PAGE = b"\0" * 8192
ROUND = 50


@dataclass(frozen=True)
class Pickup:
    """Milliseconds at the median: the disk, our pickup, and procrastinate's where it is there."""

    disk_ms: float
    ours_ms: float
    ours_p99_ms: float
    procrastinate_ms: float | None


def measure_pickup(folder: Path, ours: Contender, procrastinate: Contender | None, rounds: int) -> Pickup:
    """Let the disk and both systems take turns, so that a noisy machine disturbs all alike."""
    disk: list[float] = []
    found: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        disk += _sync(folder / "sync", ROUND)
        found += _pickups(ours)
        if procrastinate is not None:
            theirs += _pickups(procrastinate)
    return Pickup(
        statistics.median(disk) * 1000,
        statistics.median(found) * 1000,
        sorted(found)[len(found) * 99 // 100] * 1000,
        statistics.median(theirs) * 1000 if theirs else None,
    )


def _pickups(contender: Contender) -> Sequence[float]:
    return contender.do("pickups", jobs=ROUND)


def _sync(path: Path, times: int) -> Sequence[float]:
    found: list[float] = []
    with path.open("wb") as file:
        for _ in range(times):
            file.write(_PAGE)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - began)
    return found
