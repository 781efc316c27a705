"""Clocks that are wrong on purpose, by libfaketime: of a process, and of a whole PostgreSQL while it runs."""

import signal
from datetime import timedelta
from pathlib import Path

from mainstay.platform.postgres.embedded import EmbeddedCluster
from mainstay.platform.postgres.embedded.binaries import Binaries
from mainstay.platform.postgres.embedded.provision import SERVER_ENVIRONMENT
from mainstay.platform.processes.account import Account
from mainstay.platform.processes.child import ChildOptions, ChildProcess

_FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")


def find_library() -> Path | None:
    """Return libfaketime, or None where it is not installed (on Debian: the package `faketime`)."""
    files = (Path(folder) / "libfaketimeMT.so.1" for folder in _FOLDERS)
    return next((file for file in files if file.is_file()), None)


def skewed(library: Path, skew_s: int) -> dict[str, str]:
    """Return the environment of a process whose clock is off by so many seconds; timers run as ever."""
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{skew_s:+d}s", "DONT_FAKE_MONOTONIC": "1"}


class ClockedCluster(EmbeddedCluster):
    """A PostgreSQL whose clock the test sets."""

    def __init__(self, folder: Path, library: Path) -> None:
        super().__init__(folder, {"fsync": "off", "synchronous_commit": "off", "max_connections": "60"})
        self._library = library
        self._offset = folder.parent / "clock"
        self._offset.write_text("+0s\n")

    def set_clock(self, offset: timedelta) -> None:
        """Put the clock so far before or after the true time; sessions see it with their next statement."""
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(f"{int(offset.total_seconds()):+d}s\n")
        fresh.replace(self._offset)

    def _launch(self, binaries: Binaries, account: Account | None, port: int) -> ChildProcess:
        folder = self._paths.folder
        command = [
            *(str(binaries.program("postgres")), "-D", str(self._paths.data), "-p", str(port)),
            *("-c", f"config_file={folder / 'postgresql.conf'}", "-c", f"hba_file={folder / 'pg_hba.conf'}"),
        ]
        environment = {
            **SERVER_ENVIRONMENT,
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        options = ChildOptions(
            log=self._paths.log, folder=folder, death_signal=signal.SIGINT, environment=environment, account=account
        )
        return ChildProcess(command, options)
