"""When a worker looks at all lines again, and what it remembers of them."""

from uuid import UUID

from mainstay.platform.jobs.limits import LINES_MAX, LOOK_S_MAX, LOOKS_APART_S_MAX
from mainstay.platform.jobs.lines import Lines

TENANT = UUID(int=1)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_quick_looks_are_always_at_everything() -> None:
    lines = Lines(Clock())
    lines.note_look(LOOK_S_MAX)
    assert lines.look_anew()
    assert lines.look_due_s(0.5) == 0.5


def test_slow_looks_take_a_tenth_of_the_time_and_are_never_far_apart() -> None:
    clock = Clock()
    lines = Lines(clock)
    lines.note_look(0.1)
    assert not lines.look_anew()
    clock.now_s += 0.999
    assert not lines.look_anew()
    clock.now_s += 0.002
    assert lines.look_anew()
    lines.note_look(30.0)
    clock.now_s += LOOKS_APART_S_MAX - 0.001
    assert not lines.look_anew()
    clock.now_s += 0.002
    assert lines.look_anew(), "a line that is new waits no longer than this behind those that are known"


def test_where_the_known_lines_have_nothing_the_next_look_is_at_everything_at_once() -> None:
    lines = Lines(Clock())
    assert lines.look_anew()
    lines.note_look(1.0)
    assert lines.look_due_s(0.5) == 0.5, "everything was looked at"
    assert not lines.look_anew()
    assert lines.look_due_s(0.5) == 0
    assert lines.look_anew()


def test_place_never_goes_back_and_a_look_at_everything_names_none() -> None:
    lines = Lines(Clock())
    lines.note_claimed(("q", TENANT, 1), (50, UUID(int=5)))
    lines.note_claimed(("q", TENANT, 1), (40, UUID(int=9)))
    named = lines.columns(anew=False)
    assert (named["line_run_ats_us"], named["line_jobs"], named["line_priorities"]) == ([50], [UUID(int=5)], [1])
    assert set(map(tuple, lines.columns(anew=True).values())) == {()}


def test_only_the_latest_lines_are_remembered() -> None:
    lines = Lines(Clock())
    for number in range(LINES_MAX + 10):
        lines.note_claimed(("q", UUID(int=number), 1), (1, UUID(int=1)))
    assert len(lines.columns(anew=False)["line_jobs"]) == LINES_MAX
