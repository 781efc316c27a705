"""Due times: what cron means where clocks are changed, and what becomes of times that were missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.platform.jobs import InvalidPayload, JobKind, Schedule
from mainstay.platform.jobs.cron import Cron
from mainstay.platform.jobs.limits import CATCH_UP_MAX, ON_TIME_S

BERLIN = "Europe/Berlin"
ZONES = ("UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca")


def local(cron: str, start: str, count: int, zone: str = BERLIN) -> list[str]:
    """Return the next due times as the wall clock shows them, with the offset."""
    instant = datetime.fromisoformat(start)
    found: list[str] = []
    for _ in range(count):
        instant = Cron(cron, zone).after(instant)
        found.append(instant.astimezone(ZoneInfo(zone)).strftime("%dT%H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        # 29 March 2026: 02:00 becomes 03:00.
        ("30 2 * * *", "2026-03-28T00:00+01:00", ["28T02:30+0100", "29T03:00+0200", "30T02:30+0200"]),
        ("0,30 2 * * *", "2026-03-29T00:00+01:00", ["29T03:00+0200", "30T02:00+0200"]),
        ("30 2,3 * * *", "2026-03-29T00:00+01:00", ["29T03:00+0200", "29T03:30+0200", "30T02:30+0200"]),
        ("*/30 * * * *", "2026-03-29T01:00+01:00", ["29T01:30+0100", "29T03:00+0200", "29T03:30+0200"]),
        # 25 October 2026: 03:00 becomes 02:00.
        ("30 2 * * *", "2026-10-24T12:00+02:00", ["25T02:30+0200", "26T02:30+0100"]),
        ("30 2 * * *", "2026-10-25T02:10+01:00", ["26T02:30+0100"]),
        (
            "*/30 * * * *",
            "2026-10-25T01:45+02:00",
            ["25T02:00+0200", "25T02:30+0200", "25T02:00+0100", "25T02:30+0100", "25T03:00+0100"],
        ),
        ("0 */2 * * *", "2026-10-25T00:30+02:00", ["25T02:00+0200", "25T02:00+0100", "25T04:00+0100"]),
    ],
)
def test_clock_put_forward_and_back(cron: str, start: str, expected: Sequence[str]) -> None:
    assert local(cron, start, len(expected)) == list(expected)


def test_schedule_of_every_sunday_keeps_its_hour_all_year() -> None:
    found = local("0 2 * * 0", "2026-01-01T00:00+01:00", 52)
    assert {time[3:8] for time in found} == {"02:00", "03:00"}
    assert [time for time in found if time[3:8] == "03:00"] == ["29T03:00+0200"]


FIELDS = st.sampled_from(
    [
        *("* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "59 1,2 * * *", "0,15,45 0-3 * * *", "0 0 * * *"),
        *("5 */3 * * *", "10 2 * * 0", "0 3 29 2 *", "0 12 1 * 1", "0 0 L * *"),
    ]
)
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=100, deadline=None)
@given(cron=FIELDS, zone=st.sampled_from(ZONES), instant=INSTANTS, steps=st.integers(1, 40))
def test_due_times_do_not_depend_on_where_one_begins_to_look(
    cron: str, zone: str, instant: datetime, steps: int
) -> None:
    times = Cron(cron, zone)
    found = [instant]
    for _ in range(steps):
        found.append(times.after(found[-1]))
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(one.second == one.microsecond == 0 for one in found[1:])
    # From anywhere between two of them the later one is next, and looking back finds the same ones.
    for earlier, later in pairwise(found):
        assert times.after(earlier + (later - earlier) / 2) == later
        assert times.after(later - timedelta(microseconds=1)) == later
    assert list(times.newest(instant, found[-1], steps + 1)) == found[1:]
    assert list(times.newest(instant, found[-1], 1)) == found[-1:]


@settings(max_examples=30, deadline=None)
@given(minute=st.integers(0, 59), hour=st.integers(0, 23), zone=st.sampled_from(ZONES), instant=INSTANTS)
def test_time_of_day_is_due_once_on_each_day(minute: int, hour: int, zone: str, instant: datetime) -> None:
    times = Cron(f"{minute} {hour} * * *", zone)
    days: list[date] = []
    for _ in range(400):
        instant = times.after(instant)
        days.append(instant.astimezone(ZoneInfo(zone)).date())
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


@dataclass(frozen=True)
class Night:
    day: date


KIND = JobKind("night", queue="night", timeout_s=1, payload=Night)


def schedule(**given: Any) -> Schedule[Night]:
    return Schedule("night", KIND, **{"cron": "0 * * * *", "payload": Night(date(2026, 1, 1)), **given})


DUE = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("catch_up", "late", "hours"),
    [
        ("skip", timedelta(seconds=3), [10]),
        ("skip", timedelta(seconds=ON_TIME_S + 1), []),
        ("skip", timedelta(hours=3, seconds=2), [13]),
        ("skip", timedelta(hours=3, minutes=30), []),
        ("last", timedelta(seconds=3), [10]),
        ("last", timedelta(hours=3, minutes=30), [13]),
        ("all", timedelta(seconds=3), [10]),
        ("all", timedelta(hours=3, minutes=30), [10, 11, 12, 13]),
    ],
)
def test_missed_times_become_what_the_policy_says(catch_up: str, late: timedelta, hours: list[int]) -> None:
    firing = schedule(catch_up=catch_up).fire(DUE, DUE + late)
    assert [due_at.hour for due_at in firing.due] == hours
    assert DUE + late < firing.next_due_at <= DUE + late + timedelta(hours=1)


def test_no_more_than_the_limit_are_caught_up_and_they_are_the_newest() -> None:
    firing = schedule(cron="* * * * *", catch_up="all").fire(DUE, DUE + timedelta(days=365))
    assert len(firing.due) == CATCH_UP_MAX
    assert firing.due[-1] == DUE + timedelta(days=365)
    assert firing.due[0] == DUE + timedelta(days=365) - timedelta(minutes=CATCH_UP_MAX - 1)


def test_payload_of_a_due_time_is_made_of_the_local_day() -> None:
    nightly = schedule(cron="30 0 * * *", timezone=BERLIN, payload=lambda due_at: Night(due_at.date()))
    assert nightly.payload_of(nightly.times.after(DUE)) == Night(date(2026, 6, 2))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cron": "0 2 * *"}, "'night': cron '0 2 \\* \\*' must be five fields"),
        ({"cron": "0 0 2 * * *"}, "must be five fields"),
        ({"cron": "0 25 * * *"}, "cannot be read: Bad hour"),
        ({"cron": "0 0 31 2 *"}, "cannot be read: Bad day-of-month"),
        ({"cron": "0 0 */31 * 1#2"}, "is due on no day"),
        ({"timezone": "Europe/Bärlin"}, "timezone 'Europe/Bärlin' is unknown"),
        ({"timezone": "../etc/passwd"}, "is unknown"),
        ({"catch_up": "some"}, "catch_up must be skip, last or all"),
    ],
)
def test_declaration_that_cannot_be_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        schedule(**given)


def test_declared_payload_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidPayload, match="needs a Night"):
        schedule(payload={"day": "2026-01-01"})
