"""What the worker of a drill is told when it starts, and what it and the nemesis say to each other: one line each.

The nemesis says `arm POINT`, and the next job that comes to the point says `at POINT JOB FENCE` and waits to be killed;
`arm-all POINT`, and each job does; `go`, and those that wait go on. At the point `committing` nobody waits. A job that
was told to go on says `committed JOB FENCE` or `refused ERROR JOB FENCE`.
"""

import json
from dataclasses import asdict, dataclass

from mainstay.platform.jobs import JobKind, WorkerLimits
from tests.support.jobs import QUICK


@dataclass(frozen=True)
class Orders:
    """How a worker of a drill is. `work_s` is what a job takes at most, before it comes to its first point."""

    url: str
    queue: str
    lease_s: float = 3.0
    heartbeat_s: float = 0.5
    rescue_s: float = 0.3
    concurrency: int = 4
    work_s: float = 0.02
    # Whether suspects have processes of their own.
    processes: bool = False
    # Whether a job goes on when it is told that its lease was lost, so that only its fence stops it.
    stubborn: bool = False
    # Whether each attempt tells of its start, and not only those after the first.
    tell_starts: bool = False
    # Whether the worker says what its clock shows, once it is ready.
    tell_clock: bool = False
    # How many jobs of one tenant may run at a time, over all workers; 0 for any number.
    cap_per_tenant: int = 0
    # A name for the worker that others have or had; otherwise it makes one.
    name: str = ""

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Orders":
        return cls(**json.loads(text))

    @property
    def limits(self) -> WorkerLimits:
        return WorkerLimits(
            concurrency=self.concurrency,
            lease_s=self.lease_s,
            heartbeat_s=self.heartbeat_s,
            rescue_s=self.rescue_s,
            poll_s=QUICK.poll_s,
            drain_s=10.0,
            cancel_grace_s=0.5,
            record_s=10.0,
            burial_retry_s=0.2,
        )


def drilled_kind(queue: str) -> JobKind:
    """The kind of the jobs: its attempts are more than a drill can kill."""
    return JobKind("drilled", queue, timeout_s=120.0, attempts_max=25, backoff_s=0.05)
