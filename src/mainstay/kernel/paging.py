"""Pages as OpenAI's lists have them: `limit`, `order`, `after`, `before`; a cursor is the id of a row that was seen.

Ids sort by age, so a page is a span of ids, read from one of its ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mainstay.kernel.ids import OuterId

LIMIT_DEFAULT = 20
LIMIT_MAX = 100

Order = Literal["asc", "desc"]
Row = TypeVar("Row")


@dataclass(frozen=True)
class PageRequest:
    """One page wanted: at most `limit` rows that come after the row `after` and before the row `before` in `order`.

    They are the first of those rows; with `before` alone they are the last, so that one can page back.
    """

    limit: int = LIMIT_DEFAULT
    order: Order = "desc"
    after: OuterId | None = None
    before: OuterId | None = None

    @property
    def newer_than(self) -> OuterId | None:
        """Return the row than which all rows of the page are newer."""
        return self.after if self.order == "asc" else self.before

    @property
    def older_than(self) -> OuterId | None:
        """Return the row than which all rows of the page are older."""
        return self.before if self.order == "asc" else self.after

    @property
    def from_the_end(self) -> bool:
        """Return whether the page is read from the end of the span, back towards its beginning."""
        return self.before is not None and self.after is None

    @property
    def oldest_first(self) -> bool:
        """Return whether rows are read from the oldest on, whatever the order in which they are shown."""
        return (self.order == "asc") != self.from_the_end


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page in the order asked for, and whether more follow in the direction of reading."""

    rows: Sequence[Row]
    has_more: bool


def cut_page(rows: Sequence[Row], request: PageRequest) -> Page[Row]:
    """Return the page from rows as they were read, of which one more than the limit was asked for."""
    kept = rows[: request.limit]
    return Page(kept[::-1] if request.from_the_end else kept, len(rows) > request.limit)
