"""Pages as OpenAI's lists have them: `limit`, `after`, `order`; the cursor is the id of the last row seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

LIMIT_DEFAULT = 20
LIMIT_MAX = 100

Row = TypeVar("Row")


@dataclass(frozen=True)
class PageRequest:
    """One page wanted: at most `limit` rows after the row `after`, newest first."""

    limit: int = LIMIT_DEFAULT
    after: UUID | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, and whether more follow."""

    rows: Sequence[Row]
    has_more: bool


def cut_page(rows: Sequence[Row], limit: int) -> Page[Row]:
    """Return a page from rows of which one more than `limit` was asked for."""
    return Page(rows[:limit], len(rows) > limit)
