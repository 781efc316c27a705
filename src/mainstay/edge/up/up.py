"""`mainstay up`."""

import sys
from contextlib import suppress

from mainstay.edge.up.detach import up_detached
from mainstay.edge.up.errors import exit_code
from mainstay.edge.up.settings import Prepare, UpSettings
from mainstay.edge.up.supervisor import Supervisor
from mainstay.kernel.errors import MainstayError


def up(settings: UpSettings, prepare: Prepare) -> int:
    """Run everything until asked to stop, or with `settings.detach` return once it is ready in the background.

    Must be called in the main thread. Returns an ExitCode; what went wrong has then been printed as a sentence.
    """
    try:
        if settings.detach:
            return up_detached(settings, _say)
        return Supervisor(settings, prepare, _say).run()
    except MainstayError as error:
        print(error.message, file=sys.stderr, flush=True)
        return exit_code(error)


def _say(line: str) -> None:
    with suppress(OSError):  # Whoever read us has gone (`mainstay up | head`), which is no reason to stop.
        print(line, flush=True)
