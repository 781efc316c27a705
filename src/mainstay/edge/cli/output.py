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
    rows = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        justify = "right" if numeric else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column != folded)
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    console.print(table)


def moment(iso: str) -> str:
    """Return a moment to the second, for people."""
    return iso[:19].replace("T", " ")


def day(seconds: int | None) -> str | None:
    """Return the day of a moment in seconds since 1970, for people."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()
