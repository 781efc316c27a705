"""`up` in processes of its own, on homes that are copies of one that was started before."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mainstay.edge.up import SystemStatus, status
from mainstay.platform.postgres.embedded import EmbeddedCluster
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.identity import identify
from mainstay.platform.processes.ports import pick_port
from tests.support.folders import passable_folder

_ROOT = Path(__file__).parents[3]
_PYTHONPATH = os.pathsep.join(str(_ROOT / part) for part in ("", "src"))
READY_S = 30.0


@dataclass
class Run:
    """One `up` on one home; `settings` go to UpSettings, `environment` to the process."""

    folder: Path
    port: int = field(default_factory=lambda: pick_port("127.0.0.1"))
    settings: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it and do not wait."""
        given = {
            "home": str(self.home),
            "port": self.port,
            "key_file": str(self.home / "key"),
            "system_folder": str(self.folder / "system"),
            **self.settings,
        }
        file = self.folder / "settings.json"
        file.write_text(json.dumps(given))
        inherited = {
            name: value for name, value in os.environ.items() if not name.endswith(("DATABASE_URL", "API_KEY"))
        }
        self.process = subprocess.Popen(
            [sys.executable, str(_ROOT / "tests" / "support" / "run_up.py"), str(file), *arguments],
            env={**inherited, "PYTHONPATH": _PYTHONPATH, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            start_new_session=True,
        )
        return self.process

    def start_until_ready(self) -> str:
        """Start it, wait until it says that it is ready, and return what it printed until then."""
        process = self.start()
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "is ready at" in line:
                return printed
        assert process.stderr is not None
        raise AssertionError(f"not ready:\n{printed}{process.stderr.read()}")

    def end(self, timeout_s: float = 40.0) -> tuple[int, str, str]:
        """Wait for its end; return exit code, output and errors."""
        assert self.process is not None
        output, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output, errors

    def stop(self) -> tuple[int, str, str]:
        """Stop it as a terminal or an init system does."""
        assert self.process is not None
        self.process.terminate()
        return self.end()

    def get(self, path: str) -> object:
        """Return what the server answers, decoded."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def status(self) -> SystemStatus:
        return status(self.home)

    def pids(self) -> dict[str, int]:
        """Return the pids of the running children by name, 0 for one that is about to be started again."""
        return {process.name: process.pid or 0 for process in self.status().processes}

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = READY_S) -> None:
        """Poll until `condition` holds; a server that does not answer yet is no error."""
        deadline = Deadline(seconds)
        while True:
            try:
                if condition():
                    return
            except (urllib.error.URLError, OSError):
                pass
            deadline.pause(what)


def postgres_pids(run: Run) -> list[int]:
    return [process.pid for process in EmbeddedCluster(run.home / "postgres").processes()]


def postmaster_pid(run: Run) -> int:
    return int((run.home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def kill_all(pids: list[int]) -> int:
    """Kill them; return how many were still there, for the first may take others along."""
    killed = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


def assert_nothing_left(run: Run, pids: list[int]) -> None:
    assert [pid for pid in pids if identify(pid)] == []
    assert postgres_pids(run) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.port)) != 0


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """Let what is started here be interrupted: a suite that a shell runs in the background ignores SIGINT, and what
    ignores it hands that on to its children, where `up` leaves it so.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def made_home() -> Iterator[Path]:
    """A home whose system has run once."""
    with passable_folder() as folder:
        run = Run(folder)
        run.start_until_ready()
        assert run.stop()[0] == 0
        yield folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account may enter."""
    with passable_folder() as folder:
        yield folder


@pytest.fixture
def run(made_home: Path, open_folder: Path) -> Iterator[Run]:
    """A run, not started, on a copy of the home that ran once."""
    subprocess.run(["cp", "-a", made_home / "home", open_folder / "home"], check=True)
    run = Run(open_folder)
    yield run
    if run.process is not None and run.process.poll() is None:
        run.stop()


@pytest.fixture
def new_run(open_folder: Path) -> Iterator[Run]:
    """A run, not started, on a home that does not exist."""
    run = Run(open_folder)
    yield run
    if run.process is not None and run.process.poll() is None:
        run.stop()
