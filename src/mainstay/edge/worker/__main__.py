"""`python -m mainstay.edge.worker`: the worker of this machine, as `mainstay.bootstrap` wires it."""

import sys

from mainstay.bootstrap import worker_system
from mainstay.edge.worker.process import main

if __name__ == "__main__":
    sys.exit(main(worker_system))
