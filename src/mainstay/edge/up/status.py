"""`mainstay status`."""

from dataclasses import dataclass
from pathlib import Path

from mainstay.edge.up.readiness import is_ready
from mainstay.edge.up.state import ChildState, DatabaseKind, HomePaths, load_state
from mainstay.platform.processes.identity import is_alive


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One child of the run; `restarts` counts since `up`, and `pid` is None while it is about to be started again."""

    name: str
    pid: int | None
    running: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """The database of the run; `folder` is empty for one that was given by its address."""

    kind: DatabaseKind
    folder: str


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """What runs on one home. Times are ISO 8601 in UTC; where nothing runs, only `home` says something.

    `running` means that the supervisor lives, `ready` that the server answers `/readyz` with 200 now.
    """

    home: str
    running: bool
    ready: bool
    address: str | None = None
    supervisor_pid: int | None = None
    started_at: str | None = None
    database: DatabaseStatus | None = None
    processes: tuple[ProcessStatus, ...] = ()


def status(home: Path) -> SystemStatus:
    """Return what runs on `home`; a home that does not exist has nothing running."""
    home = home.resolve()
    state = load_state(HomePaths(home).state)
    if state is None or not is_alive(state.supervisor):
        return SystemStatus(str(home), running=False, ready=False)
    return SystemStatus(
        home=str(home),
        running=True,
        ready=is_ready(state.host, state.port),
        address=state.address,
        supervisor_pid=state.supervisor.pid,
        started_at=state.started_at,
        database=DatabaseStatus(state.database_kind, state.database_folder),
        processes=tuple(_process_status(child) for child in state.children),
    )


def _process_status(child: ChildState) -> ProcessStatus:
    process = child.process
    if process is None:
        return ProcessStatus(child.name, None, running=False, restarts=child.restarts)
    return ProcessStatus(child.name, process.pid, is_alive(process), child.restarts)
