"""Ids sort by age, and a wrong one is answered like an unknown one."""

import time
from contextlib import suppress
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.kernel.errors import NotFound
from mainstay.kernel.ids import Prefix, decode_id, encode_id, new_id, not_found

PREFIXES = st.sampled_from(get_args(Prefix))
UUIDS = st.uuids()


def test_new_ids_are_version_7_and_unique() -> None:
    made = [new_id() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert {(value.version, value.variant) for value in made} == {(7, "specified in RFC 4122")}


def test_new_id_carries_the_present_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    stamp = new_id().int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_later_id_sorts_later() -> None:
    first = new_id()
    deadline = time.monotonic() + 5
    while (second := new_id()).int >> 80 == first.int >> 80:
        assert time.monotonic() < deadline
    assert (first, first.hex) < (second, second.hex)


@given(PREFIXES, UUIDS)
def test_outer_id_is_read_back(prefix: Prefix, value: UUID) -> None:
    assert decode_id(prefix, encode_id(prefix, value)) == value


@given(PREFIXES, PREFIXES, UUIDS)
def test_id_of_another_kind_is_unknown(prefix: Prefix, other: Prefix, value: UUID) -> None:
    if prefix != other:
        with pytest.raises(NotFound):
            decode_id(prefix, encode_id(other, value))


@given(PREFIXES, st.text(max_size=60))
def test_any_text_is_the_id_it_spells_or_not_found(prefix: Prefix, text: str) -> None:
    for candidate in (text, prefix + text):
        with suppress(NotFound):
            assert encode_id(prefix, decode_id(prefix, candidate)) == candidate


@given(PREFIXES, UUIDS)
def test_malformed_and_unknown_ids_read_alike(prefix: Prefix, value: UUID) -> None:
    unknown = not_found(prefix, value)
    malformed = encode_id(prefix, value)[:-1]
    with pytest.raises(NotFound) as error:
        decode_id(prefix, malformed)
    assert error.value.message == unknown.message.replace(encode_id(prefix, value), malformed)
    assert (error.value.kind, error.value.code) == (unknown.kind, unknown.code)
