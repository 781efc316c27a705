"""Filters over the attributes of documents in OpenAI's form, as one condition in jsonpath.

`eq ne gt gte lt lte in nin` compare one attribute, `and or` join filters. Values of different types are never equal and
have no order; a document without the attribute meets only `ne` and `nin`, which are the opposites of `eq` and `in`.
"""

import json
from collections.abc import Mapping

from mainstay.knowledge.documents.errors import InvalidFilter

DEPTH_MAX = 8
COMPARISONS_MAX = 64
VALUES_MAX = 256
KEY_CHARS_MAX = 64
VALUE_CHARS_MAX = 512

_OPERATORS = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LISTS = {"in": "", "nin": "!"}
_JOINTS = {"and": " && ", "or": " || "}
_KNOWN = ", ".join([*_OPERATORS, "ne", *_LISTS, *_JOINTS])


def condition_of(given: object) -> str:
    """Return the condition that a filter stands for; raises InvalidFilter with what is wrong with it."""
    condition = _condition(given, depth=1)
    if condition.count("exists(") > COMPARISONS_MAX:
        raise InvalidFilter(f"The filter has more than {COMPARISONS_MAX} comparisons; ask for less at once.")
    return condition


def _condition(given: object, *, depth: int) -> str:
    if not isinstance(given, Mapping):
        raise InvalidFilter(f"A filter is an object with a type, not {_shown(given)}.")
    if depth > DEPTH_MAX:
        raise InvalidFilter(f"Filters stand inside one another more than {DEPTH_MAX} deep; join them less deeply.")
    kind = given.get("type")
    if isinstance(kind, str) and kind in _JOINTS:
        parts = given.get("filters")
        if not isinstance(parts, list) or not 1 <= len(parts) <= COMPARISONS_MAX:
            raise InvalidFilter(f"'{kind}' joins a list of 1 to {COMPARISONS_MAX} filters, not {_shown(parts)}.")
        return f"({_JOINTS[kind].join(_condition(part, depth=depth + 1) for part in parts)})"
    return _comparison(kind, given.get("key"), given.get("value"))


def _comparison(kind: object, key: object, value: object) -> str:
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_CHARS_MAX:
        raise InvalidFilter(f"The key of a filter is text of 1 to {KEY_CHARS_MAX} characters, not {_shown(key)}.")
    # Inside a filter of jsonpath what cannot be compared is false, and so its opposite is true.
    if kind == "ne":
        return f"!exists($.{_literal(key)} ? (@ == {_literal(value)}))"
    if isinstance(kind, str) and kind in _OPERATORS:
        return f"exists($.{_literal(key)} ? (@ {_OPERATORS[kind]} {_literal(value)}))"
    if isinstance(kind, str) and kind in _LISTS:
        if not isinstance(value, list) or not 1 <= len(value) <= VALUES_MAX:
            raise InvalidFilter(f"'{kind}' takes a list of 1 to {VALUES_MAX} values, not {_shown(value)}.")
        alternatives = " || ".join(f"@ == {_literal(one)}" for one in value)
        return f"{_LISTS[kind]}exists($.{_literal(key)} ? ({alternatives}))"
    raise InvalidFilter(f"A filter's type is one of {_KNOWN}, not {_shown(kind)}.")


def _literal(value: object) -> str:
    """Return a value as jsonpath writes it, which is as JSON does; a key is written like a text."""
    if isinstance(value, str):
        if len(value) > VALUE_CHARS_MAX:
            raise InvalidFilter(f"A value has {len(value)} characters, at most {VALUE_CHARS_MAX} are taken.")
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InvalidFilter("A key or value holds what no text in the database can hold: NUL or half a character.")
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool | int) or (isinstance(value, float) and abs(value) != float("inf") and value == value):  # noqa: PLR0124  (only NaN is not itself)
        return json.dumps(value)
    raise InvalidFilter(f"A value is text, a number, true or false, not {_shown(value)}.")


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:80]
