"""`python -m mainstay.edge.worker`: the worker of this machine, as its environment says."""

import sys

from mainstay.edge.worker.command import run_worker

if __name__ == "__main__":
    sys.exit(run_worker())
