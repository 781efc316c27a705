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
                                                └────────┘   in the same commit  └──────┘

What holds in every state, whatever dies:

- A worker may write for a job only while the job is `running` under the fence the worker was given. The check is
  part of the transaction that writes, and its row lock lasts until the commit.
- An attempt counts from its claim, so a job that kills its worker runs out of attempts like any other.
- A job leaves `failed` only in the transaction in which its kind's `on_dead` ran. Any worker that knows the kind
  may do it, and tries until it is done; so every dead letter has been told of.
- Time is the database's; the clocks of workers decide nothing.
- The name of a worker is for people. Leases do not look at it, so a name that comes back frees and holds nothing.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mainstay.platform.jobs.limits import ATTEMPTS_MAX, NAME_CHARS_MAX, PRIORITY_MAX, QUEUE_RULE_MAX
from mainstay.platform.postgres import Scope

Payload = Mapping[str, Any]
_NAME = re.compile(r"[a-z][a-z0-9_.]*")


@dataclass(frozen=True)
class JobKind:
    """What is declared of a kind of job; names are unique in the system, for example `documents.ingest`.

    A failed attempt is followed by a wait of random length (full jitter) below `backoff_s` doubled for each attempt
    so far, at most `backoff_s_max`. `timeout_s` bounds one attempt. Of a tenant's jobs in a queue those of `priority`
    0 go before those of 1, and these before those of 2, which wait two minutes at most for what became due after them.
    """

    name: str
    queue: str
    timeout_s: float
    attempts_max: int = 5
    backoff_s: float = 2.0
    backoff_s_max: float = 300.0
    priority: int = 1

    def __post_init__(self) -> None:
        for label, value in (("name", self.name), ("queue", self.queue)):
            if not _NAME.fullmatch(value) or len(value) > NAME_CHARS_MAX:
                raise ValueError(
                    f"JobKind: {label} '{value}' must be 1 to {NAME_CHARS_MAX} of the letters a-z, digits, '_', '.'"
                )
        if not 1 <= self.attempts_max <= ATTEMPTS_MAX:
            raise ValueError(
                f"JobKind '{self.name}': attempts_max must be 1 to {ATTEMPTS_MAX}, not {self.attempts_max}"
            )
        if not 0 <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"JobKind '{self.name}': priority must be 0 to {PRIORITY_MAX}, not {self.priority}")
        if self.timeout_s <= 0 or self.backoff_s < 0 or self.backoff_s_max < self.backoff_s:
            raise ValueError(f"JobKind '{self.name}': timeout_s must be above 0, and backoff_s at most backoff_s_max")

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
class DeadJob:
    """A job that will not run again, as its kind's `on_dead` is told of it."""

    tenant_id: UUID
    principal_id: UUID
    job_id: UUID
    request_id: str
    payload: Payload
    attempt: int
    error_code: str
    error: str


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
        return Scope(self.tenant_id, self.principal_id, sees_all=True)


@dataclass(frozen=True)
class ClaimedJob:
    """A job under a lease, with all that its handler needs."""

    lease: Lease
    kind: str
    request_id: str
    payload: Payload
    attempt: int
    attempts_max: int


@dataclass(frozen=True)
class Rescued:
    """A job taken from a worker that let its lease run out; `state` is `queued` or `failed`."""

    tenant_id: UUID
    job_id: UUID
    queue: str
    state: str


@dataclass(frozen=True)
class QueueDepth:
    """How many jobs of a queue are in an unfinished state, and how many seconds the oldest due one has waited."""

    queue: str
    state: str
    jobs: int
    oldest_due_s: float
