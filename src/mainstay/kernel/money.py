"""Money is an integer of nano-USD: ten tokens at $0.02 a million are 200, and nothing is lost in floats."""

from decimal import ROUND_CEILING, Decimal

NANOS_PER_USD = 1_000_000_000


def usd_to_nanos(usd: Decimal) -> int:
    """Return `usd` in nano-USD, rounded up: called once per model call, never on a sum."""
    return int((usd * NANOS_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def format_usd(nanos: int) -> str:
    """Return nano-USD for a person, exact: `$0.0000002`, never in scientific notation."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS_PER_USD)
    digits = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole}.{digits}"
