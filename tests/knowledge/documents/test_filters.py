"""A filter over attributes finds in the database what its words mean, whatever stands in keys and values."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mainstay.knowledge.documents.filters import KEY_CHARS_MAX, condition_of
from mainstay.platform.postgres import Database
from mainstay.platform.postgres.queries import parse_queries
from tests.support.tenants import TestTenant

_MEETS = parse_queries(
    """
-- name: meets
-- Whether attributes meet a condition, as the query of the slice asks.
SELECT jsonb_path_match(:attributes::jsonb, :condition::text::jsonpath)
""",
    origin="tests",
)["meets"]

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ['"', '") || true || (@ == "', "\\", "$", "a.b", "@", "1", "true"]
)
KEYS = st.sampled_from(["a", "b", 'k"', "\\u0041", "$.a", "ключ"]) | TEXT.filter(bool)
VALUES = TEXT | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9, width=32)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
ORDERED = st.builds(
    lambda kind, key, value: {"type": kind, "key": key, "value": value},
    st.sampled_from([*COMPARISONS, "ne"]),
    KEYS,
    VALUES,
)
LISTED = st.builds(
    lambda kind, key, value: {"type": kind, "key": key, "value": value},
    st.sampled_from(["in", "nin"]),
    KEYS,
    st.lists(VALUES, min_size=1, max_size=3),
)
FILTERS = st.recursive(
    ORDERED | LISTED,
    lambda inner: st.builds(
        lambda kind, parts: {"type": kind, "filters": parts},
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


def kind_of(value: object) -> str:
    return "bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def compares(kind: str, held: Any, value: Any) -> bool:
    """Compare as jsonpath does: only what is of one type."""
    if kind_of(held) != kind_of(value):
        return False
    if isinstance(held, str):
        # The database orders texts by their code points.
        return COMPARISONS[kind]([ord(letter) for letter in held], [ord(letter) for letter in value])
    return COMPARISONS[kind](held, value)


def meets(attributes: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    kind = given["type"]
    if kind == "and":
        return all(meets(attributes, part) for part in given["filters"])
    if kind == "or":
        return any(meets(attributes, part) for part in given["filters"])
    key, value = given["key"], given["value"]
    values = value if kind in ("in", "nin") else [value]
    if kind in ("eq", "in", "ne", "nin"):
        found = key in attributes and any(compares("eq", attributes[key], one) for one in values)
        return found if kind in ("eq", "in") else not found
    return key in attributes and compares(kind, attributes[key], value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, VALUES, max_size=4), FILTERS)
@example({"a": "x"}, {"type": "eq", "key": "a", "value": '") || true || (@ == "'})
@example({"a": True}, {"type": "gt", "key": "a", "value": False})
@example({"a": True}, {"type": "eq", "key": "a", "value": 1})
@example({'k" ? (true)': 1}, {"type": "eq", "key": 'k" ? (true)', "value": 1})
async def test_filter_means_what_it_says(
    database: Database, tenant: TestTenant, attributes: Mapping[str, Any], given_filter: Mapping[str, Any]
) -> None:
    condition = condition_of(given_filter)
    async with database.read(tenant.admin) as tx:
        found = await tx.fetch_value(_MEETS, attributes=dict(attributes), condition=condition)
    assert found is meets(attributes, given_filter), condition


def test_key_as_long_as_may_be() -> None:
    assert condition_of({"type": "eq", "key": "k" * KEY_CHARS_MAX, "value": True})
