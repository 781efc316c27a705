"""Jobs: what a kind declares, what a worker holds, and the states a job goes through.

                 claim (attempt + 1, fence + 1)
      ┌────────┐ ─────────────────────────────► ┌─────────┐   fenced commit    ┌───────────┐
   ──►│ queued │                                │ running │ ─────────────────► │ succeeded │
      └────────┘ ◄───────────────────────────── └─────────┘                    └───────────┘
                 handed back (attempt - 1)           │
                 throttled (attempt - 1)             │ rejected, or no attempt left
                 retry: backoff with full jitter     │ (by its worker, or by a rescue)
                 rescue: the lease ran out           │
                                                     ▼
                                                ┌────────┐   burial: `on_dead`   ┌──────┐
                                                │ failed │ ────────────────────► │ dead │
                                                └────────┘   in the same commit  └───┬──┘
                                                                    redrive          │
                          queued, same id, attempt 0 ◄───────────────────────────────┘

A job that waits for its children is `waiting` (children.py). Asked for its end, a job that is queued or waiting is
`cancelled` at once; one that runs is interrupted, and cancelled unless it has committed.

What holds in every state, whatever dies:

- A worker may write for a job only while the job is `running` under the fence the worker was given. The check is
  part of the transaction that writes, and its row lock lasts until the commit.
- An attempt counts from its claim, so a job that kills its worker runs out of attempts like any other.
- A job leaves `failed` only in the transaction in which its kind's `on_dead` ran. Any worker that knows the kind
  may do it, and tries until it is done; so every dead letter has been told of.
- A cancelled job ends at once, wherever that was asked; a worker that knows its kind calls `on_dead` soon after.
- An attempt that does not end well is in the history (`job_attempts`), written by the statement that ends it.
- Time is the database's; the clocks of workers decide nothing.
- A job whose last attempt may have killed its worker runs in a process of its own, whatever its kind says: what is
  poison takes its neighbours with it once at most.
- The name of a worker is for people. Leases do not look at it, so a name that comes back frees and holds nothing.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Generic
from uuid import UUID

from mainstay.platform.jobs.limits import ATTEMPTS_MAX, MEMORY_MB_MIN, NAME_CHARS_MAX, PRIORITY_MAX, QUEUE_RULE_MAX
from mainstay.platform.jobs.payloads import Payload, PayloadT, PayloadType
from mainstay.platform.postgres import Scope

_NAME = re.compile(r"[a-z][a-z0-9_.]*")
# A timeout is among them: a handler that never gives way blocks the loop of its worker, and so all its neighbours.
SUSPECT_CODES = frozenset({"lease_expired", "crashed_process", "killed_memory", "timeout"})


def check_name(what: str, label: str, name: str) -> None:
    """Raise ValueError unless `name` is one that jobs, queues and schedules may have."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX:
        raise ValueError(
            f"{what}: {label} '{name[:80]}' must be 1 to {NAME_CHARS_MAX} of the letters a-z, digits, '_', '.',"
            " beginning with a letter"
        )


@dataclass(frozen=True)
class JobKind(Generic[PayloadT]):
    """What is declared of a kind of job; names are unique in the system, for example `documents.ingest`.

    `payload` is a frozen dataclass or a pydantic model: what is enqueued, and what the handler gets. Without it
    payloads are mappings that nobody checks.
    A failed attempt is followed by a wait of random length (full jitter) below `backoff_s` doubled for each attempt
    so far, at most `backoff_s_max`. `timeout_s` bounds one attempt. Of a tenant's jobs in a queue those of `priority`
    0 go before those of 1, and these before those of 2, which wait two minutes at most for what became due after them.

    A kind that is `isolated`, or says how much memory an attempt may use, always runs in a process of its own beside
    the worker, which is killed alone. `memory_mb_max` bounds all that this process and what it starts hold at a time,
    the 105 MB of the interpreter and the embedding model among it, without what is mapped from files.
    """

    name: str
    queue: str
    timeout_s: float
    payload: type[PayloadT] | None = None
    attempts_max: int = 5
    backoff_s: float = 2.0
    backoff_s_max: float = 300.0
    priority: int = 1
    memory_mb_max: int | None = None
    isolated: bool = False
    # Made once, for it costs more than a job.
    payloads: PayloadType[PayloadT] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name("JobKind", "name", self.name)
        check_name("JobKind", "queue", self.queue)
        if not 1 <= self.attempts_max <= ATTEMPTS_MAX:
            raise ValueError(
                f"JobKind '{self.name}': attempts_max must be 1 to {ATTEMPTS_MAX}, not {self.attempts_max}"
            )
        if not 0 <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"JobKind '{self.name}': priority must be 0 to {PRIORITY_MAX}, not {self.priority}")
        if self.timeout_s <= 0 or self.backoff_s < 0 or self.backoff_s_max < self.backoff_s:
            raise ValueError(f"JobKind '{self.name}': timeout_s must be above 0, and backoff_s at most backoff_s_max")
        if not 0 <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"JobKind '{self.name}': priority must be 0 to {PRIORITY_MAX}, not {self.priority}")
        if self.memory_mb_max is not None and self.memory_mb_max < MEMORY_MB_MIN:
            raise ValueError(
                f"JobKind '{self.name}': memory_mb_max must be at least {MEMORY_MB_MIN}, not {self.memory_mb_max}"
            )
        object.__setattr__(self, "payloads", PayloadType[PayloadT].of(self.name, self.payload))

    @property
    def needs_process(self) -> bool:
        """Whether every attempt runs in a process of its own."""
        return self.isolated or self.memory_mb_max is not None

    def delay_after(self, attempt: int) -> float:
        """Return how many seconds to wait after failed attempt number `attempt` (Brooker, Builders' Library)."""
        return random.uniform(0, min(self.backoff_s_max, self.backoff_s * 2 ** (attempt - 1)))  # noqa: S311


@dataclass(frozen=True)
class Queue:
    """The rules of a queue, held over all workers together; None is no rule, and a queue without any needs no Queue.

    At no time are more than `concurrency_max` of its jobs claimed, or `concurrency_per_tenant_max` of one tenant, and
    in no minute do more than `starts_per_minute_max` start. Every worker of the queue must be given the same rules.
    """

    name: str
    concurrency_max: int | None = None
    concurrency_per_tenant_max: int | None = None
    starts_per_minute_max: int | None = None

    def __post_init__(self) -> None:
        rules = (self.concurrency_max, self.concurrency_per_tenant_max, self.starts_per_minute_max)
        given = [rule for rule in rules if rule is not None]
        if not given:
            raise ValueError(f"Queue '{self.name}' has no rule: give it one, or leave it out")
        if any(not 1 <= rule <= QUEUE_RULE_MAX for rule in given):
            raise ValueError(f"Queue '{self.name}': a rule is a number from 1 to {QUEUE_RULE_MAX}, not {min(given)}")


@dataclass(frozen=True)
class DeadJob(Generic[PayloadT]):
    """A job that will not run again, dead or cancelled, as its kind's `on_dead` is told of it.

    `payload` is None where what was stored does not fit its type; `stored` is what was stored.
    """

    tenant_id: UUID
    principal_id: UUID
    job_id: UUID
    request_id: str
    payload: PayloadT | None
    stored: Payload
    attempt: int
    error_code: str
    error: str
    # Somebody asked for its end, while it waited or ran; otherwise its last attempt failed.
    cancelled: bool = False


@dataclass(frozen=True)
class Lease:
    """The right to work on a job until the lease runs out; the fence is the proof."""

    tenant_id: UUID
    principal_id: UUID
    job_id: UUID
    fence: int

    @property
    def scope(self) -> Scope:
        """The scope in which the job's transactions run: its tenant, on behalf of whoever enqueued it."""
        return self.scope_for("none")

    def scope_for(self, request_id: str) -> Scope:
        """Return the same scope, for a request."""
        return Scope(self.tenant_id, self.principal_id, sees_all=True, request_id=request_id)


@dataclass(frozen=True)
class ClaimedJob:
    """A job under a lease, with all that its handler needs."""

    lease: Lease
    kind: str
    request_id: str
    payload: Payload
    attempt: int
    attempts_max: int
    parent_id: UUID | None = None
    # It has waited for children, and is to join them.
    joins: bool = False
    redrives: int = 0
    # How the last attempt ended, if it ended badly.
    last_error_code: str | None = None

    @property
    def scope(self) -> Scope:
        """The scope of its lease, for the request that the job belongs to."""
        return self.lease.scope_for(self.request_id)

    @property
    def is_suspect(self) -> bool:
        """Whether the last attempt may have taken its worker with it, so that this one must not get the chance."""
        return self.last_error_code in SUSPECT_CODES


@dataclass(frozen=True)
class Buried:
    """A job of whose end its kind is to be told, and the parent that may wait for it."""

    kind: str
    dead: DeadJob[Payload]
    parent_id: UUID | None


@dataclass(frozen=True)
class OldJob:
    """A job that is kept no longer, and whether its result lies in the object store."""

    tenant_id: UUID
    job_id: UUID
    has_object: bool


@dataclass(frozen=True)
class Rescued:
    """A job taken from a worker that let its lease run out; `state` is `queued`, `failed` or `cancelled`."""

    tenant_id: UUID
    job_id: UUID
    queue: str
    state: str


@dataclass(frozen=True)
class QueueDue:
    """A job of the queue is due in `delay_s`: what a transaction notes for the transport, of no tenant."""

    queue: str
    delay_s: float = 0.0


@dataclass(frozen=True)
class QueueDepth:
    """How many jobs of a queue are in a state, and how many seconds the oldest due one has waited."""

    queue: str
    state: str
    jobs: int
    oldest_due_s: float
