"""What a call costs: nothing for models in our own process; others stand in the public list of genai-prices."""

from decimal import Decimal

from mainstay.kernel.money import usd_to_nanos

LOCAL = "local"


def price_nanos(provider: str, model: str, input_tokens: int, output_tokens: int) -> int | None:
    """Return the cost of a call in nano-USD, rounded up once, or None where the list has no such model."""
    if provider == LOCAL:
        return 0
    # Imported here because the list takes 0.4 s to load, which a laptop with local models never needs.
    from genai_prices import Usage, calc_price

    try:
        price = calc_price(Usage(input_tokens=input_tokens, output_tokens=output_tokens), model_ref=model)
    except LookupError:
        return None
    return usd_to_nanos(Decimal(price.total_price))
