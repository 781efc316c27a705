"""Waiting by polling, always with an end."""

import time
from collections.abc import Callable

_POLL_S = 0.01


class Interrupted(Exception):
    """The wait was given up because somebody asked us to stop."""


def _never() -> bool:
    return False


class Deadline:
    """A moment until which something is waited for; `interrupted` ends the wait earlier when it returns True."""

    def __init__(self, seconds: float, interrupted: Callable[[], bool] = _never) -> None:
        self.seconds = seconds
        self._ends_at_s = time.monotonic() + seconds
        self._interrupted = interrupted

    def left_s(self) -> float:
        """Return the seconds that are left, never below zero."""
        return max(0.0, self._ends_at_s - time.monotonic())

    def pause(self, waiting_for: str, pause_s: float = _POLL_S) -> None:
        """Sleep a moment; raise TimeoutError when the time is over and Interrupted when asked to stop."""
        if self._interrupted():
            raise Interrupted(waiting_for)
        left_s = self.left_s()
        if left_s == 0.0:
            raise TimeoutError(f"waited {self.seconds:g} s for {waiting_for}")
        time.sleep(min(pause_s, left_s))
