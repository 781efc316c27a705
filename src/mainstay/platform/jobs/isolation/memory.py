"""How much memory a process and all that it started hold, as Linux tells it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
# What is mapped from files (libraries, the weights of a model) is shared, and the kernel drops it when memory is
# short; what was written to a tmpfs or swapped out is held all the same.
_HELD = (b"RssAnon:", b"RssShmem:", b"VmSwap:")
# A process that starts others without end is ended for its memory or its time, not watched for ever.
_PROCESSES_MAX = 1_000


def can_be_measured() -> bool:
    """Tell whether this system says what a process holds."""
    return (_PROC / "self" / "status").exists()


def held_bytes(pid: int) -> int:
    """Return what `pid` and its descendants hold; nothing for one that has ended."""
    return sum(_held_by(each) for each in _family(pid))


def _family(pid: int) -> Iterator[int]:
    waiting, seen = [pid], 0
    while waiting and seen < _PROCESSES_MAX:
        current = waiting.pop()
        seen += 1
        yield current
        with suppress(OSError):  # It ended while we looked.
            for thread in (_PROC / str(current) / "task").iterdir():
                waiting.extend(int(child) for child in (thread / "children").read_text().split())


def _held_by(pid: int) -> int:
    held_kib = 0
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_bytes().splitlines():
            if line.startswith(_HELD):
                held_kib += int(line.split()[1])
    return held_kib * 1024
