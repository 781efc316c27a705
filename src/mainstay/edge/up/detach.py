"""`mainstay up --detach`: the same command in the background, waited for until it is ready."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

from mainstay.edge.up.announce import ready_lines
from mainstay.edge.up.errors import ExitCode, NotReady
from mainstay.edge.up.settings import UpSettings
from mainstay.edge.up.state import HomePaths, load_state
from mainstay.platform.processes.account import unprivileged_account
from mainstay.platform.processes.deadline import Deadline
from mainstay.platform.processes.logfile import limit_log, open_log, tail

_POLL_S = 0.02
# Enough for the sentence that ended it and the last words of the process that it quotes.
_REASON_LINES = 40


def up_detached(settings: UpSettings, say: Callable[[str], None]) -> int:
    """Start the supervisor in a session of its own and return when it is ready, or its exit code when it ended."""
    began_s = time.monotonic()
    paths = HomePaths(settings.home.resolve())
    paths.make(0o700 if unprivileged_account() is None else 0o711)
    log = paths.log("up")
    limit_log(log)
    mark = log.stat().st_size if log.exists() else 0
    supervisor = _start(settings, paths)
    limits = settings.limits
    deadline = Deadline(limits.database_start_s + limits.prepare_s + limits.ready_s)
    try:
        while True:
            status = supervisor.poll()
            if status is not None:
                say(tail(log, lines=_REASON_LINES, from_byte=mark))
                # Ended before it was ready: even an orderly end is not what was asked for.
                return status or ExitCode.NOT_READY
            state = load_state(paths.state)
            if state is not None and state.supervisor.pid == supervisor.pid and state.ready_at:
                break
            deadline.pause("the system to be ready", _POLL_S)
    except TimeoutError as error:
        supervisor.terminate()
        raise NotReady(f"Mainstay was not ready in time ({error}); see {log}.") from error
    except KeyboardInterrupt:
        supervisor.send_signal(signal.SIGINT)
        supervisor.wait(timeout=limits.drain_s + limits.database_stop_s)
        return ExitCode.FAILED
    for line in ready_lines(settings, time.monotonic() - began_s):
        say(line)
    return ExitCode.OK


def _start(settings: UpSettings, paths: HomePaths) -> subprocess.Popen[bytes]:
    log = open_log(paths.log("up"))
    try:
        return subprocess.Popen(
            settings.foreground_command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=dict(settings.environment),
        )
    finally:
        os.close(log)
