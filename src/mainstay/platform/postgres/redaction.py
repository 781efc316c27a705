"""Errors of PostgreSQL without the values of the rows that caused them.

A violated constraint comes with the whole failing row in its DETAIL, a bad value with itself in the message. Both would
stand in a traceback in the log, and in whatever quotes the error: which constraint, table and rule it was is enough.
"""

import re
from collections.abc import Iterator

import asyncpg

# Where a message begins to quote: `invalid input syntax for type uuid: "…"`, `invalid input for query argument $1: …`.
_QUOTE = re.compile(r"[:\"']")
_SPEAK_OF_ROWS = ("detail", "context", "internal_query")


def forget_values(error: BaseException) -> None:
    """Take the values out of `error` and of every error that led to it."""
    for one in _chain(error):
        if isinstance(one, asyncpg.PostgresError):
            for field in _SPEAK_OF_ROWS:
                setattr(one, field, None)
        if isinstance(one, asyncpg.DataError) and one.args:
            one.args = (_QUOTE.split(str(one.args[0]), maxsplit=1)[0].rstrip(), *one.args[1:])


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen = set[int]()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
