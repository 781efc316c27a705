"""A child process that does not outlive the process that started it, not even after kill -9."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mainstay.platform.processes.account import Account
from mainstay.platform.processes.identity import ProcessIdentity, identify
from mainstay.platform.processes.logfile import open_log

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class ChildOptions:
    """How a child is started. `death_signal` is what it gets when its parent dies.

    Without a log it writes where its parent does; without an environment it has its parent's.
    """

    log: Path | None
    folder: Path
    death_signal: signal.Signals
    environment: Mapping[str, str] | None
    account: Account | None = None
    takes_input: bool = False
    # Descriptors that it shall have under the same numbers.
    handles: tuple[int, ...] = ()
    # The kernel of Linux sends the signal itself; elsewhere a guard process does.
    guarded: bool = _LIBC is None


class ChildProcess:
    """One started child, in a session of its own so that Ctrl-C in the terminal reaches only the parent.

    On Linux the death signal is tied to the thread that starts the child: start it from a thread that stays.
    """

    def __init__(self, command: Sequence[str], options: ChildOptions) -> None:
        """Start `command`; raises OSError when it cannot be executed."""
        log = None if options.log is None else open_log(options.log)
        account = options.account
        try:
            self._process = subprocess.Popen(
                command,
                cwd=options.folder,
                env=None if options.environment is None else dict(options.environment),
                stdin=subprocess.PIPE if options.takes_input else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=options.handles,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                # One call of the kernel that takes no lock: safe beside threads.
                preexec_fn=None if options.guarded else _bind_to_parent(options.death_signal),  # noqa: PLW1509
            )
        finally:
            if log is not None:
                os.close(log)
        self.pid = self._process.pid
        # A child that has ended already is a zombie until we look, so its pid is still its own.
        self.identity = identify(self.pid) or ProcessIdentity(self.pid, "ended")
        self._guard = _start_guard(self.pid, options) if options.guarded else None

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal), or None while it runs."""
        status = self._process.poll()
        if status is not None:
            self._release_guard()
        return status

    def send_input(self, text: str) -> None:
        """Write `text` to its standard input and close that; nothing happens when it has ended."""
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        with suppress(BrokenPipeError), stdin:  # An end is for poll() to tell.
            stdin.write(text.encode("utf-8"))

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it and what it started in its session, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # It ended this moment.
                os.killpg(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Tell whether it has ended, and leave its status, and so its pid, with the kernel."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def clear(self, deadline_s: float) -> int | None:
        """Kill it and all that is left of its session, and return its exit status as `wait` does.

        What it started is found by its pid, which nobody else can have as long as only `has_ended` looked at it.
        """
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # Nothing is left but the entry of a dead leader.
                os.killpg(self.pid, signal.SIGKILL)
        return self.wait(deadline_s)

    def wait(self, deadline_s: float) -> int | None:
        """Wait for its end; return the exit status, or None when it still runs after `deadline_s`."""
        try:
            self._process.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            return None
        return self.poll()

    def _release_guard(self) -> None:
        if self._guard is not None:
            # Killed before its input closes: otherwise it would signal a pid that is no longer ours.
            self._guard.kill()
            self._guard.communicate()
            self._guard = None


def _bind_to_parent(number: signal.Signals) -> Callable[[], None]:
    """Return what runs in the child between fork and exec, after it has changed its user (which would undo it)."""
    parent_pid = os.getpid()

    def bind() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), signal.SIGKILL)  # The parent died before the signal was set.

    return bind


def _start_guard(pid: int, options: ChildOptions) -> subprocess.Popen[bytes]:
    """Start a shell that waits for the end of its input, which comes when we die, and then signals `pid`."""
    account = options.account
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -"$1" "$2"', "sh", str(int(options.death_signal)), str(pid)],
        cwd="/",
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
