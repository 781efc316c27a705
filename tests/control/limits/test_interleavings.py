"""No interleaving of processes, calls, losses and crashes admits more than the limits, or loses a request for nothing.

The processes are the product's own `Leases`; the database is the oracle of `take_requests`; time is the simulation's.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.control.limits.errors import LimitsUnavailable, RateLimited
from mainstay.control.limits.leases import LEASE_S, Leases
from mainstay.control.limits.models import HOUR_S, Ask, Grant, Limits, Standing, Subject
from mainstay.kernel.ids import new_id
from tests.support.ledger import Ledger

TENANT = new_id()
SUBJECTS = (Subject("tenant", TENANT, TENANT), Subject("key", TENANT, new_id()))
PROCESSES = 4
# Calls take no longer than this in the simulation.
CALL_S = 0.4

EVENTS = st.one_of(
    st.tuples(st.just("request"), st.integers(0, PROCESSES - 1), st.integers(1, 30)),
    st.tuples(st.just("send"), st.integers(0, PROCESSES - 1), st.just(0)),
    st.tuples(st.just("serve"), st.integers(0, PROCESSES - 1), st.just(0)),
    st.tuples(st.just("receive"), st.integers(0, PROCESSES - 1), st.just(0)),
    st.tuples(st.just("put_back"), st.integers(0, PROCESSES - 1), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5, 1.0, 20.0])),
)
LOSSES = st.one_of(
    EVENTS,
    st.tuples(st.sampled_from(["crash", "lose"]), st.integers(0, PROCESSES - 1), st.just(0)),
)
LIMITS = st.builds(
    Limits,
    requests_per_second=st.sampled_from([0.5, 3.0, 40.0]),
    requests_burst=st.integers(1, 60),
    requests_per_hour=st.integers(0, 120),
)


@dataclass
class Call:
    """One call under way."""

    asks: list[Ask]
    sent_at: float
    grants: list[Grant | None] | None = None


@dataclass
class Process:
    """One process: what it holds, who waits, and its call."""

    leases: Leases = field(default_factory=Leases)
    waiting: dict[Subject, int] = field(default_factory=dict)
    call: Call | None = None


class Simulation:
    """All processes over one ledger; `admitted` are the times of admissions, `lost` what a crash or a loss cost."""

    def __init__(self, limits: Limits, *, until_hour_s: float) -> None:
        self.now = 1_000 * HOUR_S - until_hour_s
        self.ledger = Ledger({SUBJECTS[0]: limits, SUBJECTS[1]: Limits(None, None, limits.requests_per_hour)})
        self.processes = [Process() for _ in range(PROCESSES)]
        self.admitted: list[float] = []
        self.refusals: list[Standing] = []

    def act(self, event: tuple[str, int, Any]) -> None:
        name, number, value = event
        getattr(self, name)(self.processes[number], value)

    def request(self, process: Process, count: int) -> None:
        for _ in range(count):
            try:
                missing = process.leases.take(SUBJECTS, self.now)
            except RateLimited as refused:
                self.refusals.append(refused.standing)
                return
            except LimitsUnavailable:
                # Right after a call that failed nothing is known, so nobody is admitted and nobody is told a limit.
                return
            if missing:
                for subject in missing:
                    process.waiting[subject] = process.waiting.get(subject, 0) + 1
                return
            self.admitted.append(self.now)

    def send(self, process: Process, _: int) -> None:
        if process.call is None and process.waiting:
            asks = [process.leases.ask(subject, count, self.now) for subject, count in process.waiting.items()]
            process.waiting.clear()
            process.call = Call(asks, self.now)

    def serve(self, process: Process, _: int) -> None:
        if process.call is not None and process.call.grants is None:
            process.call.grants = [self.ledger.take(ask, self.now) for ask in process.call.asks]

    def receive(self, process: Process, _: int) -> None:
        call = process.call
        if call is not None and call.grants is not None:
            for ask, grant in zip(call.asks, call.grants, strict=True):
                process.leases.settle(ask, grant, sent_at=call.sent_at, now=self.now)
            process.call = None

    def put_back(self, process: Process, _: int) -> None:
        for subject in process.leases.to_return(self.now):
            process.waiting.setdefault(subject, 0)

    def lose(self, process: Process, _: int) -> None:
        """The call fails, whether or not the database served it."""
        if process.call is not None:
            for ask in process.call.asks:
                process.leases.fail(ask, self.now)
            process.call = None

    def crash(self, process: Process, _: int) -> None:
        self.processes[self.processes.index(process)] = Process()

    def wait(self, _: Process, seconds: float) -> None:
        for process in self.processes:
            if process.call is not None and self.now + seconds > process.call.sent_at + CALL_S:
                self.serve(process, 0)
                self.receive(process, 0)
        self.now += seconds

    def settle_all(self) -> None:
        """Let every call end and everything unspent go back."""
        for _ in range(3):
            self.wait(self.processes[0], LEASE_S + CALL_S)
            for process in self.processes:
                self.put_back(process, 0)
                self.send(process, 0)
                self.serve(process, 0)
                self.receive(process, 0)


def check_limits(simulation: Simulation, limits: Limits) -> None:
    assert limits.requests_per_second is not None
    assert limits.requests_burst is not None
    assert limits.requests_per_hour is not None
    assert all(standing.retry_after_s > 0 and standing.tightest.left == 0 for standing in simulation.refusals)
    times = simulation.admitted
    for hour in {int(at // HOUR_S) for at in times}:
        assert sum(int(at // HOUR_S) == hour for at in times) <= limits.requests_per_hour
    for first in range(len(times)):
        for last in (first, (first + len(times)) // 2, len(times) - 1):
            span_s = times[last] - times[first] + LEASE_S + CALL_S
            assert last - first + 1 <= limits.requests_burst + limits.requests_per_second * span_s + 1e-6


@settings(max_examples=300, deadline=None)
@given(LIMITS, st.lists(LOSSES, max_size=120), st.sampled_from([0.3, 5.0, 3000.0]))
def test_nothing_admits_more_than_the_limits(
    limits: Limits, events: list[tuple[str, int, Any]], until_hour_s: float
) -> None:
    simulation = Simulation(limits, until_hour_s=until_hour_s)
    for event in events:
        simulation.act(event)
    check_limits(simulation, limits)


@settings(max_examples=200, deadline=None)
@given(LIMITS, st.lists(EVENTS, max_size=120))
def test_without_a_crash_what_was_taken_was_admitted(limits: Limits, events: list[tuple[str, int, Any]]) -> None:
    simulation = Simulation(limits, until_hour_s=3000.0)
    for event in events:
        simulation.act(event)
    simulation.settle_all()
    for subject in SUBJECTS:
        counter = simulation.ledger.counters.get(subject)
        assert (counter.used if counter else 0) == len(simulation.admitted)


def test_demand_above_the_limit_is_served_up_to_it() -> None:
    """The positive control: the simulation does admit, and all of an hour's limit."""
    limits = Limits(requests_per_second=1000.0, requests_burst=60, requests_per_hour=100)
    simulation = Simulation(limits, until_hour_s=3000.0)
    for step in range(400):
        process = simulation.processes[step % PROCESSES]
        simulation.request(process, 3)
        simulation.put_back(process, 0)
        simulation.send(process, 0)
        simulation.serve(process, 0)
        simulation.receive(process, 0)
        simulation.wait(process, 0.01)
    assert len(simulation.admitted) == limits.requests_per_hour
    assert simulation.refusals


def test_a_process_that_overspends_is_found() -> None:
    """The negative control: a process that never gives its lease up breaks the bound that is checked above."""
    limits = Limits(requests_per_second=0.5, requests_burst=4, requests_per_hour=2)
    simulation = Simulation(limits, until_hour_s=3000.0)
    simulation.admitted = [simulation.now] * 3
    with pytest.raises(AssertionError):
        check_limits(simulation, limits)
