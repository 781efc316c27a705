"""The server and the worker as the supervisor sees them: started, watched, started again, stopped."""

import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mainstay.edge.up.errors import ProcessFailed
from mainstay.edge.up.settings import UpLimits
from mainstay.edge.up.state import ChildState
from mainstay.platform.processes.child import ChildOptions, ChildProcess
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.logfile import limit_log, tail

_KILL_WAIT_S = 5.0
_MINUTE_S = 60.0


class RestartBudget:
    """Delays that double while something keeps ending, and a limit for how often that may be in a minute."""

    def __init__(self, limits: UpLimits) -> None:
        self._limits = limits
        self._ends_s: deque[float] = deque()

    def delay_s(self, now_s: float, restarts_max: int) -> float | None:
        """Note an end and return the seconds to wait before the next start, None where there is to be none."""
        self._ends_s.append(now_s)
        while now_s - self._ends_s[0] > _MINUTE_S:
            self._ends_s.popleft()
        ends = len(self._ends_s)
        if ends > restarts_max:
            return None
        return min(self._limits.restart_delay_first_s * 2 ** (ends - 1), self._limits.restart_delay_max_s)


class Child:
    """One child, which runs from `start` until `terminate` or `kill`; between them `tick` starts it again."""

    def __init__(self, name: str, command: tuple[str, ...], log: Path, limits: UpLimits) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._log = log
        self._environment: Mapping[str, str] = {}
        self._log_mark = 0
        self._budget = RestartBudget(limits)
        self._process: ChildProcess | None = None
        self._due_at_s: float | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it with exactly this environment, now and after each unexpected end."""
        self._environment = environment
        self._start()

    def state(self) -> ChildState:
        """Return what others may know of it."""
        return ChildState(self.name, self._process.identity if self._process else None, self.restarts)

    def tick(self, now_s: float, restarts_max: int) -> str | None:
        """Notice its end or start it again when that is due; return a line for people when something changed.

        Raises ProcessFailed when it has to be started again more than `restarts_max` times within a minute.
        """
        limit_log(self._log)
        if self._process is None:
            if self._due_at_s is None or now_s < self._due_at_s:
                return None
            self._due_at_s = None
            self.restarts += 1
            self._start()
            return f"The {self.name} was started again."
        status = self._process.poll()
        if status is None:
            return None
        self._process = None
        delay_s = self._budget.delay_s(now_s, restarts_max)
        if delay_s is None:
            raise ProcessFailed(
                f"The {self.name} ended again ({describe_exit(status)}), so everything was stopped; its last words in"
                f" {self._log}:\n{tail(self._log, from_byte=self._log_mark)}"
            )
        self._due_at_s = now_s + delay_s
        return f"The {self.name} ended unexpectedly ({describe_exit(status)}); see {self._log}."

    def is_ended(self) -> bool:
        """Tell whether no process of it runs."""
        return self._process is None or self._process.poll() is not None

    def terminate(self) -> None:
        """Ask it to finish what it does and end, and never start it again."""
        self._due_at_s = None
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with what it started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_KILL_WAIT_S)
            self._process = None

    def _start(self) -> None:
        options = ChildOptions(
            log=self._log,
            folder=Path.cwd(),
            # Its work is safe to cut at any point, and nothing of it may still hold the port at the next start.
            death_signal=signal.SIGKILL,
            environment=self._environment,
        )
        self._log_mark = self._log.stat().st_size if self._log.exists() else 0
        try:
            self._process = ChildProcess(self._command, options)
        except OSError as error:
            raise ProcessFailed(f"The {self.name} cannot be started: {self._command[0]}: {error.strerror}.") from error


def stop_children(children: Sequence[Child], drain_s: float, in_a_hurry: Callable[[], bool]) -> None:
    """Let all finish within `drain_s` (or until `in_a_hurry`), then kill those that have not."""
    for child in children:
        child.terminate()
    deadline = Deadline(drain_s)
    try:
        while not in_a_hurry() and not all(child.is_ended() for child in children):
            deadline.pause("the processes to finish")
    except TimeoutError:
        pass
    for child in children:
        child.kill()


def describe_exit(status: int | None) -> str:
    """Return an exit status in words."""
    if status is None or status >= 0:
        return f"exit status {'unknown' if status is None else status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
