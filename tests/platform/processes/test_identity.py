import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mainstay.platform.processes import identity
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.identity import ProcessIdentity, end, find_processes, identify, is_alive, send_signal

_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` and kill it at the end, however that comes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_identify_this_process_is_alive_and_stays_the_same() -> None:
    found = identify(os.getpid())
    assert found is not None
    assert found == identify(os.getpid())
    assert is_alive(found)


def test_identify_ended_process_is_none_even_before_it_is_waited_for() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identify(process.pid) is None
    process.wait()
    assert identify(process.pid) is None


def test_signal_process_that_took_the_pid_is_spared() -> None:
    with _running("sleep", "60") as process:
        before = ProcessIdentity(process.pid, "a start of long ago")
        assert not send_signal(before, signal.SIGKILL)
        assert end(before, ((signal.SIGKILL, 1.0),))
        assert process.poll() is None


def test_end_deaf_process_gets_the_next_signal() -> None:
    with _running(sys.executable, "-c", _DEAF) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = identify(process.pid)
        assert found is not None
        assert not end(found, ((signal.SIGTERM, 0.05),))
        assert end(found, ((signal.SIGTERM, 0.05), (signal.SIGKILL, 5.0)))
    assert process.returncode == -signal.SIGKILL


def test_find_processes_sees_command_lines_as_typed(tmp_path: Path) -> None:
    with _running("tail", "-f", "/dev/null", str(tmp_path)) as process:
        deadline = Deadline(10)
        # A process that has just been started has no command line for a moment.
        while not (found := find_processes(lambda line: line == f"tail -f /dev/null {tmp_path}")):
            deadline.pause("the command line to be there")
        assert found == [identify(process.pid)]
    assert find_processes(lambda line: str(tmp_path) in line) == []


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="this system has no ps")
def test_identity_by_ps_is_as_good_as_by_proc(tmp_path: Path) -> None:
    """The way of systems without /proc, tried on those that have it."""
    with _running("tail", "-f", "/dev/null", str(tmp_path)) as process:
        deadline = Deadline(10)
        while not find_processes(lambda line: line == f"tail -f /dev/null {tmp_path}"):
            deadline.pause("the command line to be there")
        started = identity._start_from_ps(process.pid)
        assert started is not None
        assert started == identity._start_from_ps(process.pid)
        assert (process.pid, f"tail -f /dev/null {tmp_path}") in list(identity._command_lines_from_ps())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert identity._start_from_ps(process.pid) is None
    assert identity._start_from_ps(process.pid) is None


def test_deadline_over_raises_with_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match=r"waited 0 s for the sun"):
        Deadline(0).pause("the sun")
