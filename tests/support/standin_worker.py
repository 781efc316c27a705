"""A stand-in for the worker under `mainstay up`: it waits for SIGTERM, or fails when told to."""

import os
import signal
import sys
import threading

if __name__ == "__main__":
    if "STANDIN_WORKER_FAILS" in os.environ:
        print("the worker cannot work")
        sys.exit(7)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    while not stopping.wait(0.05):
        pass
    print("handed back")
