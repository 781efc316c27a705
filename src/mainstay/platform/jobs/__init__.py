"""Jobs: work that outlives a request, done at least once with its effect kept once. models.py tells how."""

from mainstay.platform.jobs.depth import measure_depth
from mainstay.platform.jobs.duties import Duty
from mainstay.platform.jobs.errors import LeaseLost, Reject, Retry
from mainstay.platform.jobs.isolation import JobProcesses
from mainstay.platform.jobs.limits import ProcessLimits, WorkerLimits
from mainstay.platform.jobs.models import DeadJob, JobKind
from mainstay.platform.jobs.payloads import InvalidPayload, Payload, PayloadT
from mainstay.platform.jobs.registry import JobHandler, JobRegistry
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.jobs.store import enqueue
from mainstay.platform.jobs.wakeups import PostgresWakeups, Wakeups
from mainstay.platform.jobs.worker import Worker

__all__ = [
    "DeadJob",
    "Duty",
    "InvalidPayload",
    "JobHandler",
    "JobKind",
    "JobProcesses",
    "JobRegistry",
    "JobRun",
    "LeaseLost",
    "Payload",
    "PayloadT",
    "PostgresWakeups",
    "ProcessLimits",
    "Reject",
    "Retry",
    "Wakeups",
    "Worker",
    "WorkerLimits",
    "enqueue",
    "measure_depth",
]
