"""Lists as OpenAI's clients page through them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends
from pydantic import BaseModel

from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import Prefix, decode_one_of
from mainstay.kernel.paging import LIMIT_DEFAULT, LIMIT_MAX, Order, Page, PageRequest

Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


class ListObject(BaseModel, Generic[Item]):
    """One page: its objects, the ids of the first and the last, and whether more follow."""

    object: Literal["list"] = "list"
    data: Sequence[Item]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False

    @classmethod
    def of(cls, items: Sequence[Item], *, has_more: bool) -> "ListObject[Item]":
        """Return a page of objects that have an `id`."""
        ids = [str(getattr(item, "id", "")) for item in items]
        return cls(data=items, first_id=ids[0] if ids else None, last_id=ids[-1] if ids else None, has_more=has_more)

    @classmethod
    def of_page(cls, page: Page[Row], outer: Callable[[Row], Item]) -> "ListObject[Item]":
        """Return a page of rows, each in its outer form."""
        return cls.of([outer(row) for row in page.rows], has_more=page.has_more)


class Deleted(BaseModel):
    """What was removed."""

    id: str
    object: str
    deleted: Literal[True] = True


@dataclass(frozen=True)
class ListQuery:
    """The parameters of every list: how many objects, in which order, and between which two that were seen."""

    limit: int = LIMIT_DEFAULT
    order: Order = "desc"
    after: str | None = None
    before: str | None = None

    def page(self, *prefixes: Prefix) -> PageRequest:
        """Return the page asked for; cursors are ids with one of `prefixes`, and a malformed one is unknown."""
        if not 1 <= self.limit <= LIMIT_MAX:
            raise Invalid(f"limit is 1 to {LIMIT_MAX}, not {self.limit}.", param="limit")
        after, before = (decode_one_of(text, *prefixes) if text else None for text in (self.after, self.before))
        return PageRequest(self.limit, self.order, after, before)


Listing = Annotated[ListQuery, Depends()]
