"""Processor time of a process with all its children, from /proc: of Linux alone."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Process:
    parent: int
    own_ticks: int
    ended_children_ticks: int


def tree_cpu_s(root: int) -> float:
    """Return the user and system seconds of process `root` and of all processes it started, ended ones included.

    Only grows, in steps of a clock tick (10 ms). A child that ended counts once its parent has waited for it.
    """
    processes = _processes()
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    ticks, left = 0, [root]
    while left:
        pid = left.pop()
        process = processes.get(pid)
        if process is not None:
            ticks += process.own_ticks + process.ended_children_ticks
        left += children[pid]
    return ticks / _TICKS_PER_S


def thread_cpu_s(pid: int) -> float:
    """Return the seconds of the first thread of a process, to the nanosecond: all of a PostgreSQL session."""
    return int(Path("/proc", str(pid), "schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def descendants(root: int, words: str) -> list[int]:
    """Return the live processes below `root` whose command line holds `words`."""
    processes = _processes()
    found: list[int] = []
    for pid in processes:
        ancestor: int | None = pid
        while ancestor is not None and ancestor != root:
            ancestor = processes[ancestor].parent if ancestor in processes else None
        if ancestor == root and words in _command_line(pid):
            found.append(pid)
    return found


def _processes() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name stands in brackets and may hold anything; what follows it begins with the state.
        fields = stat.rpartition(b")")[2].split()
        utime, stime, cutime, cstime = (int(value) for value in fields[11:15])
        found[int(entry)] = _Process(int(fields[1]), utime + stime, cutime + cstime)
    return found


def _command_line(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
