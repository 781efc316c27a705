"""When a cron expression is due in a time zone. Nothing here reads a clock: every instant is handed in.

Instants are UTC: Python compares local times of one zone without regard to whether the clock was put back between.

The rules are those of Debian's cron, as cronsim has them. Where the local clock is put forward or back,

- a time of day (neither the minute nor the hour begins with `*`) is due once: one that is skipped is due at the first
  minute after the gap, one that comes twice is due the first time;
- an interval (`*/15 * * * *`, `0 */2 * * *`) follows the time that passes: nothing in a gap, and each of the minutes
  that come twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from mainstay.platform.jobs.limits import CRON_CHARS_MAX

_FIELDS = 5
# Any day does: it is only tried whether the expression is ever due.
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cron:
    """Minute, hour, day of the month, month and day of the week, in a time zone by its IANA name."""

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.expression) > CRON_CHARS_MAX or len(self.expression.split()) != _FIELDS:
            raise ValueError(
                f"cron '{self.expression[:80]}' must be five fields:"
                " minute, hour, day of the month, month, day of the week"
            )
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"timezone '{self.timezone}' is unknown: use an IANA name such as Europe/Berlin ({error})"
            ) from None
        try:
            next(CronSim(self.expression, _SOME_DAY.astimezone(zone)))
        except CronSimError as error:
            raise ValueError(f"cron '{self.expression}' cannot be read: {error}") from None
        except StopIteration:
            raise ValueError(f"cron '{self.expression}' is due on no day of the next 50 years") from None

    def after(self, instant: datetime) -> datetime:
        """Return the first due time after `instant`."""
        return next(self._from(instant))

    def newest(self, after: datetime, until: datetime, count_max: int) -> Sequence[datetime]:
        """Return the last due times after `after` and not after `until`, oldest first; at most `count_max`.

        It looks back from `until`, so a year that was missed costs little more than an hour.
        """
        after, until = after.astimezone(UTC), until.astimezone(UTC)
        span = timedelta(minutes=count_max + 1)
        while True:
            start = max(after, until - span)
            found = list(self._between(start, until))
            if len(found) >= count_max or start == after:
                return found[-count_max:]
            span *= 4

    def _between(self, start: datetime, until: datetime) -> Iterator[datetime]:
        for due_at in self._from(start):
            if due_at > until:
                return
            yield due_at

    def _from(self, instant: datetime) -> Iterator[datetime]:
        last = instant.astimezone(UTC)
        for local in CronSim(self.expression, last.astimezone(ZoneInfo(self.timezone))):
            # Where the clock is put back, a time of day is named again that has been due already.
            if (due_at := local.astimezone(UTC)) > last:
                last = due_at
                yield due_at
