"""What `keyhole.take_requests` promises, in a few lines: the oracle of its tests, and the database of a simulation."""

import math
from dataclasses import dataclass

from mainstay.control.limits.models import HOUR_S, Ask, Grant, Limits, Subject


@dataclass
class Counter:
    """The row of one subject."""

    at: float
    backlog: float = 0.0
    hour: int = 0
    used: int = 0


class Ledger:
    """The counters, at times in seconds from 1970."""

    def __init__(self, limits: dict[Subject, Limits]) -> None:
        self.limits = limits
        self.counters: dict[Subject, Counter] = {}

    def take(self, ask: Ask, now: float) -> Grant | None:
        limits = self.limits.get(ask.subject)
        if limits is None:
            return None
        counter = self.counters.setdefault(ask.subject, Counter(now))
        hour = int(now // HOUR_S)
        rate = limits.requests_per_second or 0.0
        backlog = max(0.0, counter.backlog - (now - counter.at) * rate - ask.returned)
        used = counter.used if counter.hour == hour else 0
        used = max(0, used - (ask.returned if ask.returned_hour == hour else 0))
        free = min(
            limits.requests_burst - backlog if limits.requests_burst is not None else math.inf,
            limits.requests_per_hour - used if limits.requests_per_hour is not None else math.inf,
        )
        granted = 0 if free < 1 else min(ask.wanted, max(math.ceil(free / 2), min(math.floor(free), 8)))
        if granted or ask.returned:
            kept = backlog + granted if limits.requests_per_second is not None else 0.0
            self.counters[ask.subject] = Counter(now, kept, hour, used + granted)
        return Grant(
            granted=granted,
            limits=limits,
            burst_left=limits.requests_burst - backlog - granted if limits.requests_burst is not None else None,
            hour_left=limits.requests_per_hour - used - granted if limits.requests_per_hour is not None else None,
            hour=hour,
            hour_ends_s=(hour + 1) * HOUR_S - now,
        )
