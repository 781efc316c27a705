"""A page says whether more follow, from one row more than was asked for."""

from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.paging import LIMIT_DEFAULT, LIMIT_MAX, PageRequest, cut_page


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=LIMIT_MAX))
def test_pages_joined_are_all_rows(rows: list[int], limit: int) -> None:
    seen: list[int] = []
    for _ in range(len(rows) + 1):
        page = cut_page(rows[len(seen) : len(seen) + limit + 1], limit)
        assert len(page.rows) <= limit
        seen.extend(page.rows)
        if not page.has_more:
            break
        assert len(page.rows) == limit
    assert seen == rows


def test_page_that_was_not_described_is_small_and_begins_at_the_newest() -> None:
    request = PageRequest()
    assert (request.limit, request.after) == (LIMIT_DEFAULT, None)
    assert LIMIT_DEFAULT <= LIMIT_MAX
