"""Why the system did not start or did not stay up, and the exit code that says so to scripts."""

from enum import IntEnum

from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.embedded import BinariesMissing, ClusterBusy, ClusterFailed, UnsupportedPlatform


class ExitCode(IntEnum):
    """What `up` and `down` return. 2 is left to the command line, which uses it for wrong arguments."""

    OK = 0
    FAILED = 1
    ALREADY_RUNNING = 3
    PORT_UNUSABLE = 4
    HOME_UNUSABLE = 5
    UNSUPPORTED_PLATFORM = 6
    BINARIES_MISSING = 7
    DATABASE_FAILED = 8
    PREPARATION_FAILED = 9
    PROCESS_FAILED = 10
    NOT_READY = 11


class AlreadyRunning(MainstayError):
    """Another supervisor has this home."""

    kind = "conflict"
    code = "already_running"


class PortUnusable(MainstayError):
    """The HTTP port is taken, or we may not listen on it."""

    kind = "conflict"
    code = "port_unusable"


class HomeUnusable(MainstayError):
    """The home cannot be made or written."""

    kind = "unavailable"
    code = "home_unusable"


class PreparationFailed(MainstayError):
    """The database could not be brought to the state that the server needs."""

    kind = "unavailable"
    code = "preparation_failed"


class ProcessFailed(MainstayError):
    """A process ended again and again."""

    kind = "unavailable"
    code = "process_failed"


class NotReady(MainstayError):
    """The server runs and does not become ready."""

    kind = "unavailable"
    code = "not_ready"


_EXIT_CODES: dict[type[MainstayError], ExitCode] = {
    AlreadyRunning: ExitCode.ALREADY_RUNNING,
    PortUnusable: ExitCode.PORT_UNUSABLE,
    HomeUnusable: ExitCode.HOME_UNUSABLE,
    UnsupportedPlatform: ExitCode.UNSUPPORTED_PLATFORM,
    BinariesMissing: ExitCode.BINARIES_MISSING,
    ClusterBusy: ExitCode.ALREADY_RUNNING,
    ClusterFailed: ExitCode.DATABASE_FAILED,
    PreparationFailed: ExitCode.PREPARATION_FAILED,
    ProcessFailed: ExitCode.PROCESS_FAILED,
    NotReady: ExitCode.NOT_READY,
}


def exit_code(error: MainstayError) -> ExitCode:
    """Return the exit code of an error that ends `up` or `down`."""
    return _EXIT_CODES.get(type(error), ExitCode.FAILED)
