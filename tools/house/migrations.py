"""Migrations are numbered without gaps, and every table in them passes under row security."""

import re
from collections.abc import Iterator

from tools.house.tree import Finding, Tree

FOLDER = "src/mainstay/schema/migrations/"
_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z][a-z0-9_]*\.sql")
_TABLE = re.compile(r"^\s*CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\S+)", re.MULTILINE)


def migration_name(tree: Tree) -> Iterator[Finding]:
    """A migration is called NNNN_pre_what.sql or NNNN_post_what.sql, counted from 0001 without gaps."""
    numbers: list[int] = []
    for source in tree.under(FOLDER):
        match = _NAME.fullmatch(source.name)
        if match is None:
            yield Finding(source.path, 1, "migration_name", "is not called NNNN_{pre|post}_what.sql: rename it")
            continue
        numbers.append(int(match[1]))
        if numbers[-1] != len(numbers):
            sentence = f"has the number {numbers[-1]:04}, and {len(numbers):04} comes next: renumber it"
            yield Finding(source.path, 1, "migration_name", sentence)


def table_protected(tree: Tree) -> Iterator[Finding]:
    """A table that is not a partition is handed to mainstay.protect in the migration that makes it."""
    for source in tree.under(FOLDER):
        for match in _TABLE.finditer(source.text):
            table = match[1].rstrip("(")
            rest = source.text[match.end() : match.end() + 60]
            if f"CALL mainstay.protect('{table}'" not in source.text and not re.match(r"\s+PARTITION OF", rest):
                line = source.text[: match.start()].count("\n") + 1 + match[0].count("\n")
                yield Finding(
                    source.path,
                    line,
                    "table_protected",
                    f"{table} is never protected: CALL mainstay.protect('{table}', …)",
                )
