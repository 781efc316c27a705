"""The parser of `queries.sql`: parameters are numbered, and nothing that only looks like one is touched."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.platform.postgres.queries import parse_queries

NAME = st.text("abz_09", max_size=6).map("p".__add__)
# Pieces of SQL that hold a colon and are no parameter; each must come out as it went in.
NOISE = st.one_of(
    NAME.map(lambda name: f"'it''s :{name}'"),
    NAME.map(lambda name: f'":{name}"'),
    NAME.map(lambda name: f"x::{name}"),
    NAME.map(lambda name: f"f(a := {name})"),
    NAME.map(lambda name: f"1 -- see :{name}\n"),
    st.sampled_from(["SELECT 1", "<> ALL", "'12:30:00'", "''", '""', "a->>'k:v'"]),
)
PIECES = st.lists(st.tuples(st.booleans(), NAME, NOISE), min_size=1, max_size=12)


@given(PIECES)
def test_parameters_are_numbered_and_the_rest_is_kept(pieces: list[tuple[bool, str, str]]) -> None:
    written = " ".join(f"= :{name}" if is_param else noise for is_param, name, noise in pieces)
    params = list(dict.fromkeys(name for is_param, name, _ in pieces if is_param))
    query = parse_queries(f"-- name: q\n-- Why.\nSELECT {written}", origin="here")["q"]
    assert query.params == tuple(params)
    expected = " ".join(f"= ${params.index(name) + 1}" if is_param else noise for is_param, name, noise in pieces)
    assert query.sql == f"SELECT {expected}".strip().rstrip(";")


@given(st.lists(NAME, min_size=1, max_size=10, unique=True))
def test_blocks_are_told_apart(names: list[str]) -> None:
    text = "\n\n".join(f"-- name: {name}\n-- Purpose of {name}.\nSELECT '{name}', :p;" for name in names)
    queries = parse_queries(text, origin="here")
    assert list(queries) == names
    for name, query in queries.items():
        assert (query.name, query.purpose, query.sql, query.params) == (
            name,
            f"Purpose of {name}.",
            f"SELECT '{name}', $1",
            ("p",),
        )


def test_parameter_used_twice_has_one_number() -> None:
    query = parse_queries("-- name: q\n-- Why.\nSELECT :b, :a, :b::text, -:a", origin="here")["q"]
    assert query.sql == "SELECT $1, $2, $1::text, -$2"
    assert query.params == ("b", "a")


def test_purpose_of_several_lines_is_joined() -> None:
    query = parse_queries("-- name: q\n-- One.\n--   Two.\nSELECT 1;\n", origin="here")["q"]
    assert query.purpose == "One. Two."
    assert query.sql == "SELECT 1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- name: q\nSELECT 1", "here: query 'q' has no purpose; say in a comment under its name what it is for"),
        (
            "-- name: q\n-- A.\nSELECT 1\n-- name: q\n-- B.\nSELECT 2",
            "here: query 'q' stands twice; give one another name",
        ),
    ],
)
def test_careless_file_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_queries(text, origin="here")
