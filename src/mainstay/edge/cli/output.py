"""What the command line prints: JSON for scripts, tables and text for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

# Text of documents and models is printed as it is, never read as markup.
# A pipe has no width of its own, and a table in it must not be folded as for a narrow terminal.
_WIDTH = None if sys.stdout.isatty() else 240
console = Console(markup=False, highlight=False, soft_wrap=True, width=_WIDTH)
errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, folded: str = "") -> None:
    """Print rows under columns; numbers stand on the right, and the column `folded` may take several lines."""
    console.print(make_table(columns, rows, folded=folded))


def make_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, folded: str = "") -> Table:
    """Return the table that `print_table` prints."""
    rows = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        justify = "right" if numeric else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column != folded)
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    return table


def moment(iso: str) -> str:
    """Return a moment to the second, for people."""
    return iso[:19].replace("T", " ")


def day(seconds: int | None) -> str | None:
    """Return the day of a moment in seconds since 1970, for people."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()


def clock(seconds: int | None) -> str | None:
    """Return a moment in seconds since 1970 to the second, for people."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str | None:
    """Return how long something takes, in the two largest units, for people."""
    if seconds is None:
        return None
    whole = round(seconds)
    for unit_s, unit, smaller_s, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // smaller_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
