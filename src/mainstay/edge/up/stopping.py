"""Signals that ask us to stop, counted: the second one means at once."""

import signal
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """A context in which SIGINT, SIGTERM and SIGHUP are noted instead of ending the process."""

    def __init__(self) -> None:
        self._count = 0
        self._before: dict[signal.Signals, object] = {}

    def requested(self) -> bool:
        """Tell whether anyone asked us to stop."""
        return self._count > 0

    def in_a_hurry(self) -> bool:
        """Tell whether anyone asked more than once."""
        return self._count > 1

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # What `nohup` or a shell in the background set to be ignored stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
