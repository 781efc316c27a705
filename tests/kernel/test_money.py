"""Money is exact: rounded up once per call and never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.money import NANOS_PER_USD, format_usd, usd_to_nanos

PRICES = st.decimals(min_value=0, max_value=1_000_000, allow_nan=False, allow_infinity=False)
NANOS = st.integers(min_value=-(10**18), max_value=10**18)


def test_ten_tokens_at_two_cents_a_million_are_200() -> None:
    assert usd_to_nanos(Decimal("0.02") / 1_000_000 * 10) == 200


@given(PRICES)
def test_amount_is_rounded_up_by_less_than_one(usd: Decimal) -> None:
    assert 0 <= usd_to_nanos(usd) - usd * NANOS_PER_USD < 1


@given(st.lists(PRICES, max_size=20))
def test_sum_of_calls_is_never_below_the_price(prices: list[Decimal]) -> None:
    total = sum(map(usd_to_nanos, prices))
    assert 0 <= total - sum(price * NANOS_PER_USD for price in prices) <= len(prices)


@given(NANOS)
def test_amount_is_read_back_from_what_is_shown(nanos: int) -> None:
    shown = format_usd(nanos)
    assert usd_to_nanos(Decimal(shown.replace("$", ""))) == nanos
    assert "e" not in shown.lower()


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "$0.00"),
        (200, "$0.0000002"),
        (1, "$0.000000001"),
        (1_500_000_000, "$1.50"),
        (-20_000_000, "-$0.02"),
        (12 * 10**9, "$12.00"),
    ],
)
def test_amounts_read_as_a_person_writes_them(nanos: int, shown: str) -> None:
    assert format_usd(nanos) == shown
