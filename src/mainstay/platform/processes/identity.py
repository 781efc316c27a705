"""Which process is meant: the system reuses pids, so a process is known by its pid and its start together."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mainstay.platform.processes.deadline import Deadline

_PROC = Path("/proc")
_PS_DEADLINE_S = 5
# Fields of /proc/PID/stat counted from the one after the name, see proc(5).
_STAT_STATE, _STAT_START = 0, 19
_ENDED_STATES = ("Z", "X")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process for good: `started` is an opaque token of the boot and the moment at which it started."""

    pid: int
    started: str


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of the live process `pid`, or None; a zombie is not alive."""
    started = _start_from_proc(pid) if _has_proc() else _start_from_ps(pid)
    return None if started is None else ProcessIdentity(pid, started)


def is_alive(process: ProcessIdentity) -> bool:
    """Tell whether exactly this process still runs."""
    return identify(process.pid) == process


def send_signal(process: ProcessIdentity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it has ended, whoever has its pid now."""
    handle = _open_pidfd(process.pid)
    try:
        if not is_alive(process):
            return False
        if handle is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def end(process: ProcessIdentity, steps: tuple[tuple[signal.Signals, float], ...]) -> bool:
    """Send each signal in turn and wait its seconds; True as soon as the process has ended."""
    for number, wait_s in steps:
        if not send_signal(process, number):
            return True
        deadline = Deadline(wait_s)
        try:
            while is_alive(process):
                deadline.pause(f"process {process.pid} to end")
        except TimeoutError:
            continue
        return True
    return not is_alive(process)


def find_processes(is_wanted: Callable[[str], bool]) -> list[ProcessIdentity]:
    """Return the live processes whose command line, with blanks between its words, `is_wanted`.

    The command line is all that everybody may see of everybody's processes, on each system and in each container.
    """
    lines = _command_lines_from_proc() if _has_proc() else _command_lines_from_ps()
    pids = [pid for pid, line in lines if is_wanted(line)]
    return [found for pid in pids if (found := identify(pid)) is not None]


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _open_pidfd(pid: int) -> int | None:
    """Return a handle on the process that has `pid` now, so that a later one with the same pid is never signalled."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # It has ended, or the kernel is old or emulated.


def _start_from_proc(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in brackets and may itself contain brackets and blanks.
    fields = stat.rpartition(")")[2].split()
    if fields[_STAT_STATE] in _ENDED_STATES:
        return None
    boot = (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    return f"{boot}:{fields[_STAT_START]}"


def _start_from_ps(pid: int) -> str | None:
    line = _ps("-o", "state=,lstart=", "-p", str(pid)).strip()
    state, _, started = line.partition(" ")
    if not started or state.startswith(_ENDED_STATES):
        return None
    return started.strip()


def _command_lines_from_proc() -> Iterator[tuple[int, str]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # It ended while we looked.
                words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                yield int(entry.name), b" ".join(words).decode(errors="replace")


def _command_lines_from_ps() -> Iterator[tuple[int, str]]:
    for line in _ps("-axo", "pid=,command=").splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command.strip()


def _ps(*arguments: str) -> str:
    environment = {"LC_ALL": "C", "PATH": os.defpath}
    done = subprocess.run(
        ["ps", *arguments], capture_output=True, text=True, timeout=_PS_DEADLINE_S, env=environment, check=False
    )
    return done.stdout
