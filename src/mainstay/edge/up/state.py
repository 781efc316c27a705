"""What a run leaves for others to read: which processes it has and where it answers. And its lock on the home."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mainstay.edge.up.errors import HomeUnusable
from mainstay.platform.processes.files import make_folders, write_private
from mainstay.platform.processes.identity import ProcessIdentity

DatabaseKind = Literal["embedded", "given"]


@dataclass(frozen=True, slots=True)
class HomePaths:
    """The rooms of a home that belong to the supervisor."""

    home: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.home / "run" / "lock"

    @property
    def state(self) -> Path:
        """The state of the run."""
        return self.home / "run" / "state.json"

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.home / "logs" / f"{name}.log"

    def make(self, mode: int) -> None:
        """Make the home (with `mode`, unless it exists) and its rooms (private); raises HomeUnusable."""
        try:
            make_folders(self.home, mode)
            make_folders(self.state.parent, 0o700)
            make_folders(self.log("up").parent, 0o700)
            probe = self.home / "run" / "probe"
            write_private(probe, "")
            probe.unlink()
        except OSError as error:
            raise HomeUnusable(
                f"Mainstay cannot write in {self.home} ({error.strerror}): choose another folder with --home."
            ) from error


@dataclass(frozen=True, slots=True)
class ChildState:
    """One child of the run; it has no process for the moment before it is started again."""

    name: str
    process: ProcessIdentity | None
    restarts: int


@dataclass(frozen=True, slots=True)
class RunState:
    """One run. `database_folder` is where an embedded database lies; `ready_at` is empty until it is ready once."""

    address: str
    host: str
    port: int
    started_at: str
    ready_at: str
    database_kind: DatabaseKind
    database_folder: str
    supervisor: ProcessIdentity
    children: tuple[ChildState, ...]

    def save(self, path: Path) -> None:
        """Write it to `path`, whole or not at all."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def load_state(path: Path) -> RunState | None:
    """Return the state that the last run left in `path`, None when there is none or it is of another version.

    Raises HomeUnusable when it may not be read.
    """
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        children = tuple(
            ChildState(
                child["name"], ProcessIdentity(**child["process"]) if child["process"] else None, child["restarts"]
            )
            for child in fields.pop("children")
        )
        return RunState(supervisor=ProcessIdentity(**fields.pop("supervisor")), children=children, **fields)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None
    except OSError as error:
        raise HomeUnusable(
            f"Cannot read {path} ({error.strerror}): run this as the user who started Mainstay."
        ) from error
