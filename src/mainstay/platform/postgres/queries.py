"""Named SQL from `queries.sql` files.

A file holds blocks: a line `-- name: find_key`, a comment that says what the query is for, and the statement with
`:named` parameters, which become `$1`, `$2` … in the order of their first use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\s*$", re.MULTILINE)
# Skips strings, quoted names, comments and casts, so that a colon inside them is no parameter.
_TOKENS = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|::|(?<![:\w]):(?P<param>[a-z][a-z0-9_]*)|:=",
)


@dataclass(frozen=True)
class Query:
    """One statement: `sql` has positional parameters, and `params` names them in order."""

    name: str
    purpose: str
    sql: str
    params: tuple[str, ...]

    @property
    def wide_sql(self) -> str:
        """Return the statement as those who see all send it.

        A plan belongs to the role that it was made for. Under one text two roles would take each other's plan away.
        """
        return f"{self.sql}\n/* wide */"


def load_queries(package: str | None) -> Mapping[str, Query]:
    """Return the queries of `queries.sql` in `package` by name; a block without a purpose is an error."""
    if not package:
        raise ValueError("load_queries needs the package that has the queries.sql: pass __package__")
    return parse_queries(files(package).joinpath("queries.sql").read_text("utf-8"), origin=package)


def parse_queries(text: str, *, origin: str) -> dict[str, Query]:
    """Return the queries in `text`; `origin` names the file in error messages."""
    starts = list(_BLOCK.finditer(text))
    queries: dict[str, Query] = {}
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        name = start["name"]
        body = text[start.end() : following.start() if following else len(text)].strip()
        if name in queries:
            raise ValueError(f"{origin}: query '{name}' stands twice; give one another name")
        queries[name] = _parse_block(name, body, origin)
    return queries


def _parse_block(name: str, body: str, origin: str) -> Query:
    lines = body.splitlines()
    purpose = " ".join(line[2:].strip() for line in lines if line.startswith("--"))
    if not purpose:
        raise ValueError(f"{origin}: query '{name}' has no purpose; say in a comment under its name what it is for")
    params: list[str] = []

    def number(match: re.Match[str]) -> str:
        param = match["param"]
        if param is None:
            return match[0]
        if param not in params:
            params.append(param)
        return f"${params.index(param) + 1}"

    sql = "\n".join(line for line in lines if not line.startswith("--"))
    return Query(name, purpose, _TOKENS.sub(number, sql).strip().rstrip(";"), tuple(params))
