"""Where a worker has read the lines of its queues to, and when it looks at all of them again.

A line is a tenant's jobs of one priority in one queue. Entries of finished jobs stay in the index for as long as the
oldest transaction of the database runs, and a claim that looks from the beginning of a line passes over all of them.
While that takes long, claims look from where they have read, and only now and then at everything.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from mainstay.platform.jobs.limits import LINES_MAX, LOOK_S_MAX, LOOKS_APART_S_MAX, LOOKS_SHARE_MAX

# A queue, a tenant and a priority.
Line = tuple[str, UUID, int]
# When the last job of a line that was claimed was due, and its id; what stands before was claimed, or committed later.
Place = tuple[int, UUID]
_COLUMNS = ("line_queues", "line_tenants", "line_priorities", "line_run_ats_us", "line_jobs")


class Lines:
    """The places of one worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: OrderedDict[Line, Place] = OrderedDict()
        self._anew_at = 0.0
        # Whether the last claim looked at everything; only then nothing found means that nothing is due.
        self.looked_at_all = False

    def look_anew(self) -> bool:
        """Return whether the next claim is to look at all lines from their beginning."""
        self.looked_at_all = self._clock() >= self._anew_at
        return self.looked_at_all

    def look_due_s(self, at_most_s: float) -> float:
        """Return how long to wait after a claim that found nothing: not at all, if it did not look at everything."""
        if self.looked_at_all:
            return at_most_s
        self._anew_at = self._clock()
        return 0.0

    def note_look(self, look_s: float) -> None:
        """Note how long a look at everything took, and so when the next is due."""
        if look_s > LOOK_S_MAX:
            self._anew_at = self._clock() + min(look_s / LOOKS_SHARE_MAX, LOOKS_APART_S_MAX)

    def note_claimed(self, line: Line, place: Place) -> None:
        """Note that a job was claimed; what is claimed out of turn moves no place back."""
        self._places[line] = max(place, self._places.get(line, place))
        self._places.move_to_end(line)
        if len(self._places) > LINES_MAX:
            self._places.popitem(last=False)

    def columns(self, *, anew: bool) -> Mapping[str, Sequence[object]]:
        """Return the places as the claim takes them; none if it looks at everything `anew`."""
        known = [] if anew else [(*line, *place) for line, place in self._places.items()]
        columns = zip(*known, strict=True) if known else ((), (), (), (), ())
        return dict(zip(_COLUMNS, map(list, columns), strict=True))
