"""`mainstay down`."""

import signal
import sys
from pathlib import Path

from mainstay.edge.up.errors import ExitCode, exit_code
from mainstay.edge.up.leftovers import end_leftovers
from mainstay.edge.up.settings import UpLimits
from mainstay.edge.up.state import HomePaths, RunState, load_state
from mainstay.kernel.errors import MainstayError
from mainstay.platform.postgres.embedded import EmbeddedCluster
from mainstay.platform.processes.identity import end, is_alive

_MARGIN_S = 10.0
_KILL_WAIT_S = 5.0


def down(home: Path, limits: UpLimits | None = None) -> int:
    """Stop what runs on `home` and return when it has ended; returns OK also when nothing ran.

    A supervisor that does not end in the time its own limits allow is killed, and what it leaves is ended.
    """
    try:
        return _down(HomePaths(home.resolve()), limits or UpLimits())
    except MainstayError as error:
        print(error.message, file=sys.stderr, flush=True)
        return exit_code(error)


def _down(paths: HomePaths, limits: UpLimits) -> int:
    state = load_state(paths.state)
    if state is None:
        print(f"Nothing runs on {paths.home}.")
        return ExitCode.OK
    patience_s = limits.drain_s + limits.database_stop_s + _MARGIN_S
    was_running = is_alive(state.supervisor)
    try:
        has_ended = end(state.supervisor, ((signal.SIGTERM, patience_s), (signal.SIGKILL, _KILL_WAIT_S)))
    except PermissionError:
        has_ended = False
    if not has_ended:
        print(
            f"The supervisor on {paths.home} (pid {state.supervisor.pid}) could not be stopped:"
            " try again as the user who started it.",
            file=sys.stderr,
        )
        return ExitCode.FAILED
    _clean_up(state, limits)
    paths.state.unlink(missing_ok=True)
    print(f"Mainstay on {paths.home} has stopped." if was_running else f"Nothing ran on {paths.home} any more.")
    return ExitCode.OK


def _clean_up(state: RunState, limits: UpLimits) -> None:
    end_leftovers(state)
    if state.database_kind == "embedded":
        EmbeddedCluster(Path(state.database_folder)).stop_leftovers(limits.database_stop_s)
