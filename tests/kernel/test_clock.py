"""Stages of a flow are measured once each and add up."""

from datetime import UTC

from mainstay.kernel.clock import Stopwatch, SystemClock


def test_clock_tells_utc_and_does_not_go_back() -> None:
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert first <= second


def test_stages_add_up_to_no_more_than_the_whole() -> None:
    watch = Stopwatch()
    for stage in ("retrieve", "generate", "retrieve"):
        sum(range(10_000))
        watch.lap(stage)
    assert list(watch.stages_ms) == ["retrieve", "generate"]
    assert 0 < sum(watch.stages_ms.values()) <= watch.total_ms() + 0.05
