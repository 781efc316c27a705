"""`python -m mainstay.edge.worker.job_child HANDLE`: a process of a worker for single jobs; ends with its worker."""

import sys

from mainstay.bootstrap import job_system
from mainstay.platform.jobs.isolation.child import main

if __name__ == "__main__":
    sys.exit(main(job_system, int(sys.argv[1])))
