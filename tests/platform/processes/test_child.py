import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.platform.processes.child import ChildOptions, ChildProcess
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.identity import identify, is_alive

# A parent that starts one child, tells its pid and waits to be killed.
_PARENT = """
import signal, sys, threading
from pathlib import Path
from mainstay.platform.processes.child import ChildOptions, ChildProcess
folder, guarded = Path(sys.argv[1]), sys.argv[2] == "guarded"
options = ChildOptions(folder / "log", folder, signal.SIGTERM, {"PATH": "/usr/bin:/bin"}, guarded=guarded)
print(ChildProcess(["sleep", "60"], options).pid, flush=True)
threading.Event().wait()
"""


def _options(folder: Path, **given: object) -> ChildOptions:
    return ChildOptions(
        log=folder / "log", folder=folder, death_signal=signal.SIGTERM, environment={"PATH": os.defpath}, **given
    )  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the signal")),
        "guarded",
    ],
)
def test_child_ends_when_its_parent_is_killed(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = identify(int(parent.stdout.readline()))
        assert child is not None
        parent.kill()
    deadline = Deadline(10)
    while is_alive(child):
        deadline.pause("the child to end")


@pytest.mark.parametrize("guarded", [False, True])
def test_child_end_is_told_and_releases_the_guard(tmp_path: Path, guarded: bool) -> None:
    child = ChildProcess(["sh", "-c", "echo out; echo err >&2; exit 3"], _options(tmp_path, guarded=guarded))
    assert child.wait(10) == 3
    assert child.poll() == 3
    assert child._guard is None
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    child.kill()
    child.send_signal(signal.SIGTERM)


def test_child_killed_takes_its_own_children_along(tmp_path: Path) -> None:
    child = ChildProcess(["sh", "-c", "sleep 60 & echo $!; wait"], _options(tmp_path))
    deadline = Deadline(10)
    while not (tmp_path / "log").read_text().endswith("\n"):
        deadline.pause("the pid of the grandchild")
    grandchild = identify(int((tmp_path / "log").read_text()))
    assert grandchild is not None
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    while is_alive(grandchild):
        deadline.pause("the grandchild to end")


def test_child_input_is_closed_after_the_text(tmp_path: Path) -> None:
    child = ChildProcess(["cat"], _options(tmp_path, takes_input=True))
    child.send_input("a line\n")
    assert child.wait(10) == 0
    child.send_input("too late\n")
    assert (tmp_path / "log").read_text() == "a line\n"


def test_child_that_ended_before_its_input_is_no_error(tmp_path: Path) -> None:
    child = ChildProcess(["true"], _options(tmp_path, takes_input=True))
    child.send_input("x" * 1_000_000)
    assert child.wait(10) == 0


def test_child_unknown_command_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ChildProcess([str(tmp_path / "no-such-program")], _options(tmp_path))
