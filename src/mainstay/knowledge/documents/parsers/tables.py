"""Tables as lines: each row carries the names of its columns, so that it can be found and cited alone."""

import re

from mainstay.knowledge.documents.parsers.cleaning import one_line

HEADER_CHARS_MAX = 80
_NUMERIC = re.compile(r"[\s$€£¥%()+\-.,:/\d]*\d[\s$€£¥%()+\-.,:/\d]*")

Row = list[str]


def render_table(rows: list[Row]) -> list[str]:
    """Return one line per row of `rows`.

    Rows of one cell at the top are captions. Where the first full row names the columns, a line reads
    `Product: Widget A | Quantity: 5`; where nothing names them, `Widget A | 5`. Empty cells leave no mark.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    lines: list[str] = []
    while len(rows) > 1 and _filled(rows[0]) == 1 and max(map(_filled, rows)) > 1:
        lines.append(next(cell for cell in rows.pop(0) if cell))
    if not rows:
        return lines
    header = rows[0]
    lines.append(" | ".join(cell for cell in header if cell))
    if not names_columns(header, rows[1:]):
        lines.extend(" | ".join(cell for cell in row if cell) for row in rows[1:])
        return lines
    lines.extend(_labelled(header, row) for row in rows[1:])
    return lines


def names_columns(header: Row, rows: list[Row]) -> bool:
    """Say whether `header` names the columns of `rows`: short, distinct words over at least two columns."""
    if not rows or _filled(header) < 2:
        return False
    names = [cell for cell in header if cell]
    if len(set(names)) < len(names) or any(len(name) > HEADER_CHARS_MAX for name in names):
        return False
    if sum(1 for name in names if _NUMERIC.fullmatch(name)) * 2 > len(names):
        return False
    # A form reads "Name | Ada" downwards: where most of its rows fill more columns than the first, it names none.
    wider = sum(1 for row in rows if _filled(row) > len(names) + 1)
    return wider * 2 <= len(rows)


def _labelled(header: Row, row: Row) -> str:
    cells = [
        f"{header[i]}: {cell}" if i < len(header) and header[i] and header[i] != cell else cell
        for i, cell in enumerate(row)
        if cell
    ]
    # A merged cell arrives once per column that it covers; once is enough to read.
    kept = [cell for i, cell in enumerate(cells) if i == 0 or cell != cells[i - 1]]
    return " | ".join(kept)


def _filled(row: Row) -> int:
    return sum(1 for cell in row if cell)
