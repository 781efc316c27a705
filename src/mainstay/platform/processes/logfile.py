"""Logs that children write straight into a file, kept below a size by whoever started them."""

import os
import shutil
from pathlib import Path

LOG_BYTES_MAX = 10 * 1024 * 1024
_TAIL_BYTES_MAX = 16 * 1024


def open_log(path: Path) -> int:
    """Return a descriptor that appends to `path`, mode 0600; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def limit_log(path: Path, bytes_max: int = LOG_BYTES_MAX) -> bool:
    """Move a log that has grown beyond `bytes_max` to `NAME.1` (replacing it) and go on empty; True if it did.

    Copy and truncate, because the child keeps its descriptor: it appends, so its next line lands at the new end.
    A line written between the two steps is lost, and at most two files of `bytes_max` and a little more are kept.
    """
    try:
        if path.stat().st_size <= bytes_max:
            return False
    except FileNotFoundError:
        return False
    shutil.copy2(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 15, from_byte: int = 0) -> str:
    """Return the last lines of a log that were written after `from_byte`, or an empty text."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # After a truncation the mark lies beyond the end, and all that is there is new.
            start = from_byte if from_byte <= size else 0
            file.seek(max(start, size - _TAIL_BYTES_MAX))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
