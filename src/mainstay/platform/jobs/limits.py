"""The limits of jobs and workers. Those that a table checks too have the same figures there."""

from dataclasses import dataclass

ATTEMPTS_MAX = 25
PAYLOAD_BYTES_MAX = 8_192
NAME_CHARS_MAX = 64
# A process for a job holds 65 MB when it is ready and 105 with the embedding model, before a handler has done anything.
MEMORY_MB_MIN = 128
UNIQUE_KEY_CHARS_MAX = 200
CRON_CHARS_MAX = 200
# A due time that is older was missed; restarts and deployments are quicker.
ON_TIME_S = 300.0
CATCH_UP_MAX = 100
ERROR_CODE_CHARS_MAX = 64
ERROR_CHARS_MAX = 2_000
# How far ahead a job may be put off, by its enqueuer or by a provider's Retry-After.
DELAY_S_MAX = 30 * 86_400.0
RESCUES_MAX = 1_000
BURIALS_MAX = 100
RESULT_BYTES_MAX = 16_384
IDEMPOTENCY_KEY_CHARS_MAX = 200
PROGRESS_MAX = 2**31 - 1
# How often one attempt writes down how far it is.
PROGRESS_EVERY_S = 1.0
CHILDREN_MAX = 1_000
WAKES_MAX = 1_000
REDRIVES_MAX = 1_000
# A run of the duty deletes so many jobs at most, in batches of its own transactions.
PRUNE_BATCH_JOBS = 1_000
PRUNE_BATCHES_MAX = 50
QUEUE_RULE_MAX = 1_000_000
# Of a tenant's jobs those of priority 0 go before those of 1, and these before 2.
PRIORITY_MAX = 2
# A job of priority p waits for those of a higher one that became due at most so many seconds, p times, after it.
AGING_S = 60.0
# How long a queue stands still when its provider refuses without saying for how long, and at most at one time: what a
# provider asks for beyond that, it is asked again.
PAUSE_S_MIN = 0.5
PAUSE_S = 5.0
PAUSE_S_MAX = 900.0
# How many ends of jobs one statement writes down.
FINISHES_MAX = 500
# How long a claim may look for whose turn it is, until the next ones look only where they have not read yet; then a
# tenth of the time at most is spent on looks at everything, and there is one every two seconds.
LOOK_S_MAX = 0.002
LOOKS_SHARE_MAX = 0.1
LOOKS_APART_S_MAX = 2.0
# How many lines (a tenant's jobs of one priority in one queue) a worker remembers its place in.
LINES_MAX = 1_000


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker takes on, and how long it waits for what. The defaults are those of production.

    A killed worker's jobs start again within `lease_s + rescue_s` and at most a few seconds of spreading.
    """

    concurrency: int = 4
    lease_s: float = 30.0
    # A third of the lease, so that two renewals may fail before anything is lost.
    heartbeat_s: float = 10.0
    # How often to look for work without being woken: all that is left when a pooler swallows notifications.
    poll_s: float = 0.5
    rescue_s: float = 3.0
    # How long running jobs may take to end by themselves after a stop was asked for. Container hosts kill after 30 s,
    # and the rest must be cancelled and handed back by then.
    drain_s: float = 25.0
    # How long a cancelled handler may take to clean up before it is left behind.
    cancel_grace_s: float = 3.0
    # How long to try to write down how a job ended while the database does not answer.
    record_s: float = 20.0
    burial_retry_s: float = 30.0
    depth_s: float = 15.0
    # How often to ask whether a running job is to be cancelled.
    cancel_s: float = 2.0
    # How often to look for parents that a crash kept from being woken.
    wake_s: float = 10.0
    prune_s: float = 60.0
    # How long finished jobs are kept: dead letters longer, for somebody has to look at them. A key that makes an
    # enqueue happen once is kept as long as its job.
    keep_s: float = 30 * 86_400.0
    keep_dead_s: float = 90 * 86_400.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"WorkerLimits: {name} must be more than 0, not {value}")
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"WorkerLimits: heartbeat_s ({self.heartbeat_s}) must be at most half of lease_s ({self.lease_s}),"
                " or one late renewal loses every job"
            )


@dataclass(frozen=True)
class ProcessLimits:
    """What a worker spends on jobs that run in processes of their own."""

    # How many there are at a time; a job that finds none free waits in its slot, and its time has not begun.
    processes_max: int = 4
    # How long one may take until it can be given a job; a slow machine loads the libraries for some seconds.
    start_s: float = 60.0
    # One that has nothing to do for so long is ended, and after so many jobs: what leaks is given back.
    idle_s: float = 60.0
    jobs_max: int = 200
    # What one may hold more after a job than before its first, and still be given another; the embedding model, which
    # loads meanwhile, is 40 of it.
    growth_mb_max: int = 128
    # For kinds that declare no memory and run here because they are suspect. What needs more has to say so.
    undeclared_memory_mb_max: int = 2_048
    # How often its memory is looked at. What a job takes between two looks comes on top of its limit.
    look_s: float = 0.1
    # How long one that was told to stop, or whose job should have ended, may take to answer before it is killed.
    answer_s: float = 3.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"ProcessLimits: {name} must be more than 0, not {value}")
