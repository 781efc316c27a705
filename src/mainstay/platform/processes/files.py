"""Files that only their owner may read, and a lock that ends with the process that holds it."""

import fcntl
import os
import secrets
from pathlib import Path

_SECRET_BYTES = 24


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` with mode 0600, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_or_create_secret(path: Path) -> str:
    """Return the secret in `path`; make a random one (hexadecimal, 192 bits) where there is none."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        secret = ""
    if not secret:
        secret = secrets.token_hex(_SECRET_BYTES)
        write_private(path, secret + "\n")
    return secret


def make_folders(folder: Path, mode: int) -> None:
    """Make `folder` and what is missing above it with `mode`; what exists keeps its own."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        path.chmod(mode)  # Whatever the umask says.


class FileLock:
    """An exclusive lock on a file; the kernel releases it when the holder ends, also by kill -9."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Tell whether this object holds the lock."""
        return self._handle is not None

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process has it, True also when we have it already."""
        if self._handle is not None:
            return True
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
