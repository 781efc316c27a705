"""Pages are spans of ids, read from either end: joined, in both orders and both directions, they are all rows."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.ids import OuterId
from mainstay.kernel.paging import LIMIT_DEFAULT, LIMIT_MAX, Order, Page, PageRequest, cut_page

ROWS = st.lists(st.integers(min_value=1, max_value=1000), unique=True, max_size=30)
LIMITS = st.integers(min_value=1, max_value=LIMIT_MAX)
ORDERS = st.sampled_from(["asc", "desc"])


def cursor(row: int) -> OuterId:
    return OuterId("file-", UUID(int=row))


def fetch(rows: Sequence[int], request: PageRequest) -> Page[int]:
    """Read a page as the queries of the slices do."""
    newer = request.newer_than.value.int if request.newer_than else 0
    older = request.older_than.value.int if request.older_than else 1001
    span = sorted((row for row in rows if newer < row < older), reverse=not request.oldest_first)
    return cut_page(span[: request.limit + 1], request)


@given(ROWS, LIMITS, ORDERS)
def test_pages_after_one_another_are_all_rows_in_order(rows: list[int], limit: int, order: Order) -> None:
    seen: list[int] = []
    while True:
        page = fetch(rows, PageRequest(limit, order, after=cursor(seen[-1]) if seen else None))
        assert len(page.rows) <= limit
        seen.extend(page.rows)
        if not page.has_more:
            break
        assert len(page.rows) == limit
    assert seen == sorted(rows, reverse=order == "desc")


@given(ROWS.filter(bool), LIMITS, ORDERS)
def test_pages_before_one_another_lead_back_to_the_first(rows: list[int], limit: int, order: Order) -> None:
    in_order = sorted(rows, reverse=order == "desc")
    seen = in_order[-1:]
    while True:
        page = fetch(rows, PageRequest(limit, order, before=cursor(seen[0])))
        assert len(page.rows) <= limit
        seen = [*page.rows, *seen]
        if not page.has_more:
            break
        assert len(page.rows) == limit
    assert seen == in_order


@given(ROWS.filter(lambda rows: len(rows) >= 2), ORDERS, st.data())
def test_between_two_cursors_are_the_rows_between(rows: list[int], order: Order, data: st.DataObject) -> None:
    in_order = sorted(rows, reverse=order == "desc")
    first = data.draw(st.integers(0, len(rows) - 2))
    last = data.draw(st.integers(first + 1, len(rows) - 1))
    page = fetch(rows, PageRequest(LIMIT_MAX, order, after=cursor(in_order[first]), before=cursor(in_order[last])))
    assert list(page.rows) == in_order[first + 1 : last]


def test_page_that_was_not_described_is_small_and_begins_at_the_newest() -> None:
    request = PageRequest()
    assert (request.limit, request.order, request.after, request.before) == (LIMIT_DEFAULT, "desc", None, None)
    assert LIMIT_DEFAULT <= LIMIT_MAX
