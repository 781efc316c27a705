"""Jobs: work that outlives a request, done at least once with its effect kept once. models.py tells how."""

from mainstay.platform.jobs.depth import measure_depth
from mainstay.platform.jobs.duties import Duty
from mainstay.platform.jobs.errors import LeaseLost, Reject, Retry, Throttled
from mainstay.platform.jobs.limits import WorkerLimits
from mainstay.platform.jobs.models import DeadJob, JobKind, Queue
from mainstay.platform.jobs.registry import JobHandler, JobRegistry
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.jobs.store import enqueue
from mainstay.platform.jobs.wakeups import PostgresWakeups, Wakeups
from mainstay.platform.jobs.worker import Worker

__all__ = [
    "DeadJob",
    "Duty",
    "JobHandler",
    "JobKind",
    "JobRegistry",
    "JobRun",
    "LeaseLost",
    "PostgresWakeups",
    "Queue",
    "Reject",
    "Retry",
    "Throttled",
    "Wakeups",
    "Worker",
    "WorkerLimits",
    "enqueue",
    "measure_depth",
]
