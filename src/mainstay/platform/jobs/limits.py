"""The limits of jobs and workers. Those that a table checks too have the same figures there."""

from dataclasses import dataclass

ATTEMPTS_MAX = 25
PAYLOAD_BYTES_MAX = 8_192
NAME_CHARS_MAX = 64
PRIORITY_MAX = 2
# A process for a job holds 65 MB when it is ready and 105 with the embedding model, before a handler has done anything.
MEMORY_MB_MIN = 128
UNIQUE_KEY_CHARS_MAX = 200
ERROR_CODE_CHARS_MAX = 64
ERROR_CHARS_MAX = 2_000
# How far ahead a job may be put off, by its enqueuer or by a provider's Retry-After.
DELAY_S_MAX = 30 * 86_400.0
RESCUES_MAX = 1_000
BURIALS_MAX = 100


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
