"""How long an upstream may take, when a request is sent again, and what a failure means for the caller."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mainstay.control.gateway.errors import (
    ModelExhausted,
    ModelMisconfigured,
    ModelRejected,
    ModelThrottled,
    ModelUnavailable,
)
from mainstay.kernel.errors import MainstayError

DETAIL_CHARS_MAX = 300


@dataclass(frozen=True)
class Deadlines:
    """The longest waits, in seconds: for a connection, the first byte, each next chunk, and the whole call."""

    connect_s: float = 5.0
    first_byte_s: float = 30.0
    between_chunks_s: float = 30.0
    total_s: float = 300.0


@dataclass(frozen=True)
class Retries:
    """How often and after which pause a request is sent again before anything of its answer was seen."""

    retries_max: int = 2
    backoff_base_s: float = 0.5
    backoff_max_s: float = 8.0
    # A provider that asks for more patience than this is reported as exhausted at once.
    retry_after_max_s: float = 20.0
    # False where a queue waits instead: the provider's 429 is then reported at once, and all its jobs wait for it.
    waits_when_throttled: bool = True

    def pause_after(self, failure: "Retriable", attempt: int) -> float | None:
        """Return the pause after `failure` of the attempt number `attempt` (from 0), or None to give up."""
        if isinstance(failure.error, ModelThrottled) and not self.waits_when_throttled:
            return None
        return self.pause_s(attempt, failure.retry_after_s)

    def pause_s(self, attempt: int, retry_after_s: float | None) -> float | None:
        """Return the pause after the failed attempt number `attempt` (from 0), or None to give up.

        Full jitter, so that clients that failed together do not come back together.
        """
        if attempt >= self.retries_max or (retry_after_s or 0.0) > self.retry_after_max_s:
            return None
        ceiling_s = min(self.backoff_max_s, self.backoff_base_s * 2**attempt)
        return (retry_after_s or 0.0) + random.uniform(0.0, ceiling_s)  # noqa: S311 - spreads load, guards nothing


class Retriable(Exception):
    """A failure after which the same request may succeed; `error` is what the caller sees if it does not."""

    def __init__(self, error: MainstayError, retry_after_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after_s = retry_after_s


RETRIED_STATUSES = frozenset({408, 425, 429, *range(500, 600)})


def failure_of_status(status: int, headers: Mapping[str, str], detail: str, model: str) -> Retriable | MainstayError:
    """Return what an HTTP status of the provider means; `detail` is the provider's own sentence, without secrets."""
    after_s = retry_after_s(headers)
    error = _error_of_status(status, after_s, detail[:DETAIL_CHARS_MAX], model)
    return Retriable(error, after_s) if status in RETRIED_STATUSES else error


def _error_of_status(status: int, after_s: float | None, detail: str, model: str) -> MainstayError:
    said = f" It said: {detail}" if detail else ""
    if status in (402, 429):
        sentence = f"The provider of {model} has no quota left (HTTP {status}).{said} Try again later."
        return ModelThrottled(sentence, after_s) if status == 429 else ModelExhausted(sentence)
    if status in (401, 403):
        # The provider's own words are left out: they like to repeat the key.
        return ModelMisconfigured(f"The provider of {model} refuses the key (HTTP {status}). Check MAINSTAY_MODEL_KEY.")
    if status == 404 or 300 <= status < 400:
        return ModelMisconfigured(
            f"The provider knows no model {model} at this address (HTTP {status}).{said} "
            "Check MAINSTAY_MODEL_URL and MAINSTAY_MODEL_NAME."
        )
    if 400 <= status < 500 and status not in RETRIED_STATUSES:
        return ModelRejected(f"The provider of {model} refuses this request (HTTP {status}).{said}")
    return ModelUnavailable(f"The provider of {model} failed (HTTP {status}).{said} Try again later.")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks for, given as seconds or as a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
