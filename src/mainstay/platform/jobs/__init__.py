"""Jobs: work that outlives a request, done at least once with its effect kept once. models.py tells how."""

from mainstay.platform.jobs.children import Child, Children
from mainstay.platform.jobs.depth import measure_depth
from mainstay.platform.jobs.duties import Duty, repeat
from mainstay.platform.jobs.errors import Cancelled, LeaseLost, Reject, Retry, Throttled
from mainstay.platform.jobs.family import look_after
from mainstay.platform.jobs.interventions import WrongState
from mainstay.platform.jobs.isolation import JobProcesses
from mainstay.platform.jobs.limits import REDRIVES_MAX, ProcessLimits, WorkerLimits
from mainstay.platform.jobs.models import DeadJob, JobKind, Queue
from mainstay.platform.jobs.payloads import InvalidPayload, Payload, PayloadT
from mainstay.platform.jobs.pruning import prune
from mainstay.platform.jobs.registry import JobHandler, JobRegistry
from mainstay.platform.jobs.run import JobRun
from mainstay.platform.jobs.schedules import CatchUp, Schedule
from mainstay.platform.jobs.store import enqueue
from mainstay.platform.jobs.wakeups import PostgresWakeups, Wakeups
from mainstay.platform.jobs.worker import Worker

__all__ = [
    "REDRIVES_MAX",
    "Cancelled",
    "CatchUp",
    "Child",
    "Children",
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
    "Queue",
    "Reject",
    "Retry",
    "Schedule",
    "Throttled",
    "Wakeups",
    "Worker",
    "WorkerLimits",
    "WrongState",
    "enqueue",
    "look_after",
    "measure_depth",
    "prune",
    "repeat",
]
