"""Which process is meant: the system reuses pids, so a process is known by its pid and its start together."""

import os
import re
import signal
import subprocess
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
    try:
        if hasattr(os, "pidfd_open"):
            return _signal_through_pidfd(process, number)
        if not is_alive(process):
            return False
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
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


def processes_in(folder: Path, program: str) -> list[ProcessIdentity]:
    """Return the live processes of `program` that work in `folder` or were started with it as an argument.

    A working folder that we may not read (another user's process in a container without ptrace rights) leaves
    only the command line to go by, which PostgreSQL's own children overwrite.
    """
    pids = _pids_from_proc(folder, program) if _has_proc() else _pids_from_ps(folder, program)
    return [found for pid in pids if (found := identify(pid)) is not None]


def _has_proc() -> bool:
    return (_PROC / "self" / "stat").exists()


def _signal_through_pidfd(process: ProcessIdentity, number: signal.Signals) -> bool:
    # The descriptor pins the process, so that it cannot be replaced between the look and the signal.
    handle = os.pidfd_open(process.pid)
    try:
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)
    return True


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


def _pids_from_proc(folder: Path, program: str) -> list[int]:
    entries = [entry for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if _works_in(entry, folder, program)]


def _works_in(entry: Path, folder: Path, program: str) -> bool:
    try:
        command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    if Path(command[0]).name == program and str(folder) in command:
        return True
    try:
        executable = (entry / "exe").readlink().name.removesuffix(" (deleted)")
        return executable == program and (entry / "cwd").readlink() == folder
    except OSError:
        return False


def _pids_from_ps(folder: Path, program: str) -> list[int]:
    pattern = re.compile(rf"\s*(\d+)\s+(?:\S*/)?{re.escape(program)}\s.*{re.escape(str(folder))}(?:\s|$)")
    matches = (pattern.match(line) for line in _ps("-axo", "pid=,command=").splitlines())
    return [int(match.group(1)) for match in matches if match]


def _ps(*arguments: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        ["ps", *arguments], capture_output=True, text=True, timeout=_PS_DEADLINE_S, env=environment, check=False
    )
    return done.stdout
