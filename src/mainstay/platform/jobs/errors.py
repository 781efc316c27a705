"""What a handler may raise to say how its job goes on, and how every other error counts.

========================================================  ===================================================
how a run ends                                            what becomes of the job
========================================================  ===================================================
the handler returned, or committed                        succeeded
`Retry`                                                   another attempt, after `after_s` if it is given
`Throttled`                                               handed back, the attempt does not count; nothing of its
                                                          queue starts before the provider is patient again
`Reject`                                                  failed for good, with its code and reason
MainstayError: invalid, denied, unauthenticated,          failed for good, with the error's code and message:
not_found                                                 the same request would be refused again
MainstayError: conflict, exhausted, unavailable           another attempt
any other exception                                       another attempt, code `crashed`
longer than the kind's `timeout_s`                        another attempt, code `timeout`
a cancellation was asked for, or `Cancelled`              cancelled, and so is whatever else ends without a commit
`LeaseLost`                                               nothing: the job belongs to another worker by now
the worker stops before the handler ends                  handed back at once, the attempt does not count
the worker dies, hangs, or loses the database             rescued when its lease runs out, code `lease_expired`
its own process dies, where it has one                    another attempt, code `crashed_process`
its own process holds more than `memory_mb_max`           another attempt, code `killed_memory`
========================================================  ===================================================

An attempt that would be one more than `attempts_max` is none: the job has failed for good, with the last code.
"""

import math
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from mainstay.kernel.errors import Kind, MainstayError
from mainstay.platform.jobs.limits import ERROR_CHARS_MAX, ERROR_CODE_CHARS_MAX, PAUSE_S, PAUSE_S_MAX, PAUSE_S_MIN

FINAL_KINDS: frozenset[Kind] = frozenset({"invalid", "denied", "unauthenticated", "not_found"})


class Retry(Exception):
    """Raised by a handler to ask for another attempt, not sooner than `after_s` seconds from now if it is given."""

    def __init__(
        self,
        after_s: float | None = None,
        *,
        code: str = "retry",
        reason: str = "The handler asked for another attempt.",
    ) -> None:
        super().__init__(reason)
        self.after_s = after_s
        self.code = code
        self.reason = reason


class Cancelled(Retry):
    """Raised in a handler because somebody asked for the end of its job, whose row says so: no attempt follows."""

    def __init__(self) -> None:
        super().__init__(0.0, code="cancelled", reason="The attempt was interrupted because the job was cancelled.")


class Throttled(Exception):
    """Raised by a handler whose provider asks for patience: no job of the queue starts for `retry_after_s` seconds.

    A wait that the provider did not name is PAUSE_S long, and none is longer than PAUSE_S_MAX.
    """

    def __init__(self, retry_after_s: float | None, *, reason: str = "The provider asks for patience.") -> None:
        super().__init__(reason)
        wait_s = PAUSE_S if retry_after_s is None or not math.isfinite(retry_after_s) else retry_after_s
        self.retry_after_s = min(max(wait_s, PAUSE_S_MIN), PAUSE_S_MAX)
        self.reason = reason


class Reject(Exception):
    """Raised by a handler to say that no attempt will ever succeed; `reason` is a sentence for a person."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class LeaseLost(MainstayError):
    """The job was given to another worker since; nothing that this one writes for it may be kept."""

    kind = "conflict"
    code = "lease_lost"


@dataclass(frozen=True)
class Returned:
    """The handler ended well; if it committed, the job is marked already: as succeeded, or as waiting for children."""

    committed: bool
    waits: bool = False


@dataclass(frozen=True)
class TryAgain:
    """Another attempt is due; `after_s` overrides the backoff of the kind."""

    code: str
    reason: str
    after_s: float | None = None


@dataclass(frozen=True)
class PutOff:
    """The provider of the whole queue asks for patience; the attempt does not count."""

    pause_s: float
    reason: str
    code: str = "throttled"


@dataclass(frozen=True)
class GiveUp:
    """No further attempt is due."""

    code: str
    reason: str


@dataclass(frozen=True)
class HandBack:
    """The worker stops; someone else shall have the job at once."""


@dataclass(frozen=True)
class LeaveAlone:
    """The job is not this worker's any more, or cannot be ended by it."""


Verdict = Returned | TryAgain | PutOff | GiveUp | HandBack | LeaveAlone
# Why an attempt is ended before its handler has.
Interruption = Literal["lease_lost", "stopping", "cancelled"]


def lease_lost(job_id: UUID, fence: int) -> LeaseLost:
    """Return the error that tells of a job that was lost."""
    return LeaseLost(
        f"Job {job_id} is not held under fence {fence} any more, because its lease ran out:"
        " nothing of this attempt is kept."
    )


def verdict_on(error: BaseException) -> TryAgain | PutOff | GiveUp | LeaveAlone:
    """Return what the table above says of an exception that left a handler."""
    match error:
        case LeaseLost():
            return LeaveAlone()
        case Retry():
            return TryAgain(error.code, error.reason, error.after_s)
        case Throttled():
            return PutOff(error.retry_after_s, error.reason)
        case Reject():
            return GiveUp(error.code, error.reason)
        case MainstayError(kind=kind) if kind in FINAL_KINDS:
            return GiveUp(error.code, error.message)
        case _:
            known = isinstance(error, MainstayError)
            return (
                TryAgain(error.code, error.message)
                if known
                else TryAgain("crashed", f"{type(error).__name__}: {error}")
            )


def verdict_on_interruption(why: Interruption | None) -> Verdict:
    """Return what becomes of a job whose attempt was ended from outside; without a reason it is nobody's to say."""
    match why:
        case "stopping":
            return HandBack()
        case "cancelled":
            return verdict_on(Cancelled())
        case _:
            return LeaveAlone()


def storable(text: str, chars_max: int) -> str:
    """Return `text` as the database takes it and a person can read it: no control characters, and not too long."""
    readable = "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return readable if len(readable) <= chars_max else readable[: chars_max - 1] + "…"


def storable_code(code: str) -> str:
    """Return an error code cut to its limit."""
    return storable(code, ERROR_CODE_CHARS_MAX) or "unknown"


def storable_reason(reason: str) -> str:
    """Return an error's text cut to its limit."""
    return storable(reason, ERROR_CHARS_MAX) or "No reason was given."
