"""Time as a collaborator, so that a test can hold it still; for order and leases the database's clock counts."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What code may ask of time."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


class Stopwatch:
    """Measures stages of a flow with the monotonic clock, in milliseconds."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._last = self._started
        self.stages_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to `stage`."""
        now = time.perf_counter()
        self.stages_ms[stage] = round(self.stages_ms.get(stage, 0.0) + (now - self._last) * 1000, 2)
        self._last = now

    def total_ms(self) -> float:
        """Return the time since the start."""
        return round((time.perf_counter() - self._started) * 1000, 2)
