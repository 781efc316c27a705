"""A stand-in for the worker under `mainstay up`: it waits for SIGTERM, or fails when told to."""

import os
import signal
import sys

if __name__ == "__main__":
    if "STANDIN_WORKER_FAILS" in os.environ:
        print("the worker cannot work")
        sys.exit(7)
    # Waited for and not handled: a handler that sets a `threading.Event` waits for ever where it interrupts the `wait`
    # of the same thread that holds the event's lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.sigwait({signal.SIGTERM})
    print("handed back")
