"""Lists as OpenAI's clients page through them."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import Prefix, decode_id
from mainstay.kernel.paging import LIMIT_MAX, PageRequest

Item = TypeVar("Item", bound=BaseModel)


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


class Deleted(BaseModel):
    """What was removed."""

    id: str
    object: str
    deleted: Literal[True] = True


def page_request(prefix: Prefix, *, limit: int, after: str | None) -> PageRequest:
    """Return the page a client asks for; `after` is the outer id of the last object it has seen."""
    if not 1 <= limit <= LIMIT_MAX:
        raise Invalid(f"limit is 1 to {LIMIT_MAX}, not {limit}.", param="limit")
    return PageRequest(limit=limit, after=decode_id(prefix, after) if after else None)
