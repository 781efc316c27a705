"""Folders that PostgreSQL's own account may enter, which pytest's are not when the tests run as root."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Many clusters are made and removed: in memory where there is plenty, so that a slow disk does not slow the suite.
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a random name
_FREE_BYTES_MIN = 4 * 1024**3


@contextmanager
def passable_folder() -> Iterator[Path]:
    """Make a folder that others may pass through; it is removed at the end."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _FREE_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="mainstay-", dir=_MEMORY if in_memory else None))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)
