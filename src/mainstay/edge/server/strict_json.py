"""JSON as it may be sent here: UTF-8, no deeper than a limit, no key twice, and only numbers that can be stored.

Python's own reader takes NaN and Infinity, keeps the last of two equal keys, reads UTF-16, and makes infinity of 1e999.
Every one of them means another thing to another reader, and some could be stored and never be read again.
"""

import json
import math
import re
from http import HTTPStatus
from itertools import accumulate
from typing import Any

from mainstay.edge.server.refusals import Refused, invalid_body

_OPENERS = (b"[", b"{")
# Also a string without an end matches, so that each byte is looked at once; possessive, so that nothing is taken back.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
# A bracket that opens is 1 and one that closes is -1, as a signed byte; everything else is left out.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_MAY_BE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def check_json(body: bytes, *, depth_max: int, integer_digits_max: int) -> None:
    """Raise Refused with a sentence unless `body` is JSON that every reader understands alike."""
    if is_deeper(body, depth_max):
        raise invalid_body(f"The body nests objects and arrays more than {depth_max} deep; flatten it.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid_body(f"The body is not UTF-8 at byte {error.start}; send JSON in UTF-8.") from None
    reader = _Reader(integer_digits_max)
    try:
        value = reader.decode(text)
    except json.JSONDecodeError as error:
        raise invalid_body(f"The body is not JSON at character {error.pos}: {error.msg}.") from None
    if _MAY_BE_SURROGATE.search(body):
        _check_surrogates(value)


def is_deeper(body: bytes, depth_max: int) -> bool:
    """Return whether arrays and objects nest more than `depth_max` deep, without recursion.

    Where no more brackets open than may nest, nothing is looked at; else the brackets alone are added up.
    """
    if sum(map(body.count, _OPENERS)) <= depth_max:
        return False
    steps = _STRINGS.sub(b"", body).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > depth_max


class _Reader(json.JSONDecoder):
    """Python's reader with the exceptions taken out."""

    def __init__(self, integer_digits_max: int) -> None:
        super().__init__(
            object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=self._integer
        )
        self._integer_digits_max = integer_digits_max

    def _integer(self, text: str) -> int:
        if len(text.lstrip("-")) > self._integer_digits_max:
            raise invalid_body(f"The integer {text[:24]}… has more than {self._integer_digits_max} digits.")
        return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        sentence = f"The key '{_printable(twice)}' stands twice in one object; leave one out."
        raise Refused(HTTPStatus.BAD_REQUEST, "duplicate_key", sentence)
    return made


def _constant(name: str) -> float:
    raise invalid_body(f"{name} is no number in JSON; leave it out or send null.")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise invalid_body(f"The number {text[:24]} is larger than any that can be kept.")
    return value


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise invalid_body("A text holds half of a surrogate pair, which is no character; remove it.") from None


def _printable(key: str) -> str:
    return key[:64].encode("utf-8", "replace").decode()
