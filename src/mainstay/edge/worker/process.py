"""What a worker process does around its worker: signals, a watchdog, an exit status."""

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

import uvloop

from mainstay.edge.worker.health import Health, HealthAddress
from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs import Worker

# A job that blocks the event loop for this long stops its neighbours' leases from being renewed: two renewals are
# missing, and a third would come too late. The process is ended with a traceback that names the culprit, and whoever
# supervises it starts a new one.
STALL_S = 20.0

WorkerSystem = Callable[[Callable[[], None]], AbstractAsyncContextManager[Worker]]
"""Opens all that a worker needs; its argument is to be called at every heartbeat (Worker's `on_beat`)."""


def main(system: WorkerSystem, *, stall_s: float = STALL_S, health: HealthAddress | None = None) -> int:
    """Run a worker until SIGTERM or SIGINT, and return the exit status: 0, or 1 after a sentence on standard error."""
    try:
        uvloop.run(serve(system, stall_s=stall_s, health=health))
    except MainstayError as error:
        print(f"mainstay worker: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        faulthandler.cancel_dump_traceback_later()
    return 0


async def serve(system: WorkerSystem, *, stall_s: float, health: HealthAddress | None = None) -> None:
    """Run the worker of `system` until a signal asks it to stop; a second one stops it without draining."""
    stop = asyncio.Event()
    task = asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)

    probes = Health(beats_within_s=stall_s)

    def beat() -> None:
        faulthandler.dump_traceback_later(stall_s, exit=True)
        probes.beat()

    with suppress(asyncio.CancelledError):
        async with AsyncExitStack() as stack:
            if health is not None:
                # Before anything else: a worker that waits for a migration lives, and is not ready.
                await stack.enter_async_context(probes.listening(health))
            worker = await stack.enter_async_context(system(beat))
            probes.watch(worker.missing)
            await worker.run(stop)
