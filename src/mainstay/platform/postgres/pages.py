"""Pages of rows, read by their key; every list of every slice is read here."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from mainstay.kernel.ids import OuterId, not_found
from mainstay.kernel.paging import Page, PageRequest, cut_page
from mainstay.platform.postgres.queries import Query
from mainstay.platform.postgres.transactions import ReadTx, Record

Row = TypeVar("Row")


async def fetch_page(
    tx: ReadTx, query: Query, request: PageRequest, row: Callable[[Record], Row], *, key: Query, **params: object
) -> Page[Row]:
    """Return a page of what `query` lists.

    `key` returns the key of the row that a cursor's `id` names, also of one that was deleted meanwhile: who deletes
    what he lists goes on from there. `query` takes the keys `newer_than` and `older_than`, which bound it, whether to
    read `oldest_first`, and a `limit`. Raises NotFound for a cursor that names nothing visible.
    """
    rows = await tx.fetch(
        query,
        newer_than=await _key(tx, key, request.newer_than, params),
        older_than=await _key(tx, key, request.older_than, params),
        oldest_first=request.oldest_first,
        limit=request.limit + 1,
        **params,
    )
    return cut_page([row(one) for one in rows], request)


async def _key(tx: ReadTx, key: Query, cursor: OuterId | None, params: dict[str, object]) -> UUID | None:
    if cursor is None:
        return None
    shared = {name: value for name, value in params.items() if name in key.params}
    found: UUID | None = await tx.fetch_value(key, id=cursor.value, **shared)
    if found is None:
        raise not_found(*cursor)
    return found
