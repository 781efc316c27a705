"""Ending what a killed supervisor left behind."""

import signal

from mainstay.edge.up.state import RunState
from mainstay.platform.processes.identity import end

# Most die with their supervisor; what still runs gets a moment to finish.
_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def end_leftovers(state: RunState) -> None:
    """End the processes of a run whose supervisor is gone, each only if it is still the very same one."""
    for child in state.children:
        if child.process is not None:
            end(child.process, _STEPS)
