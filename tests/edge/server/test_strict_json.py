import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.edge.server.refusals import Refused
from mainstay.edge.server.strict_json import check_json, is_deeper

DEPTH_MAX = 64

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def check(body: bytes) -> None:
    check_json(body, depth_max=DEPTH_MAX, integer_digits_max=19)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(values, st.booleans())
def test_what_python_writes_is_taken(value: object, ascii_only: bool) -> None:
    check(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace"))


@given(values, st.integers(0, 5))
def test_depth_is_that_of_the_value(value: object, depth_max: int) -> None:
    assert is_deeper(json.dumps(value).encode(), depth_max) == (depth_of(value) > depth_max)


@given(st.binary())
def test_whatever_comes_is_taken_or_refused(body: bytes) -> None:
    try:
        check(body)
    except Refused:
        return
    assert json.dumps(json.loads(body), allow_nan=False)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'[{"b": {"a": 1, "c": 2, "a": 1}}]', "duplicate_key"),
        (b"[NaN]", "invalid_body"),
        (b"[-Infinity]", "invalid_body"),
        (b"[1e400]", "invalid_body"),
        (b"[" + b"9" * 5000 + b"]", "invalid_body"),
        (b'["\\ud800"]', "invalid_body"),
        (b'{"\\udfff": 1}', "invalid_body"),
        ('{"a": 1}'.encode("utf-16"), "invalid_body"),
        (b"[" * 65 + b"]" * 65, "invalid_body"),
        (b"[" * 500_000, "invalid_body"),
        (b'{"a":' * 150_000, "invalid_body"),
    ],
)
def test_what_readers_understand_differently_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check(body)
    assert refused.value.code == code


def test_what_is_allowed_up_to_the_limit_is_taken() -> None:
    check(b"[" * 64 + b"]" * 64)
    check(b'["' + b"[" * 1000 + b'"]')
    check(b'["\\ud83d\\ude00", "\\\\ud800", 1234567890123456789]')


@pytest.mark.parametrize(
    "piece",
    [b'{"k":"' + b"a" * 48 + b'"},', b"[[[[[[]]]]]],", b"{},", b"[" * 60 + b"]" * 60 + b",", b"1.5,"],
    ids=["texts", "arrays", "objects", "deep", "numbers"],
)
def test_the_depth_of_a_mebibyte_is_known_as_soon_as_its_value(piece: bytes) -> None:
    body = b"[" + piece * (2**20 // len(piece)) + b"0]"
    depth_s = min(_seconds(lambda: is_deeper(body, DEPTH_MAX)) for _ in range(3))
    assert depth_s <= 0.01 + 2 * min(_seconds(lambda: json.loads(body)) for _ in range(3))


def test_quotes_that_never_end_are_looked_at_once() -> None:
    assert _seconds(lambda: is_deeper(b"[" * 65 + b'"' + b'\\"' * 2**19, DEPTH_MAX)) < 0.5


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
