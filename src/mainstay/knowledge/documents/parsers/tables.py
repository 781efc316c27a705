"""Tables as lines: each row carries the names of its columns, so that it can be found and cited alone."""

import re
from itertools import groupby

from mainstay.knowledge.documents.parsers.cleaning import one_line

HEADER_CHARS_MAX = 80
_NUMERIC = re.compile(r"[\s$€£¥%()+\-–.,:/\d]*\d[\s$€£¥%()+\-–.,:/\d]*")
_YEAR = re.compile(r"(?:19|20)\d\d")

Row = list[str]


def render_table(rows: list[Row], *, marked_header: bool = False) -> list[str]:
    """Return one line per row of `rows`.

    Rows of one cell at the top are captions. Where the first full row names the columns, a line reads
    `Product: Widget A | Quantity: 5`; where nothing names them, `Widget A | 5`. `marked_header` says that the
    file itself calls the first row a header.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    lines: list[str] = []
    while len(rows) > 1 and rows[0][0] and len(set(filter(None, rows[0]))) == 1 and max(map(_filled, rows[1:])) > 1:
        lines.append(rows.pop(0)[0])
    if not rows:
        return lines
    header, body = rows[0], rows[1:]
    lines.append(_plain(header))
    header = [name.rstrip(" :") for name in header]
    # What the file marks is its first row; under a caption the next row has to speak for itself.
    labelled = names_columns(header, body, marked=marked_header and len(lines) == 1)
    lines.extend(_labelled(header, row) if labelled else _plain(row) for row in body)
    return lines


def names_columns(header: Row, body: list[Row], *, marked: bool = False) -> bool:
    """Say whether `header` names the columns of `body`: short, distinct words, not values of a first record."""
    # A merged cell arrives once per column that it covers.
    names = [name for name, _ in groupby(header) if name]
    if not body or not names or len(set(names)) < len(names) or max(map(len, names)) > HEADER_CHARS_MAX:
        return False
    # A header that the file marks may have numbers in it; elsewhere a number is the value of a first record.
    values = sum(map(_is_value, names))
    if values and (not marked or values * 2 > len(names)):
        return False
    columns = max(map(len, body))
    if marked or (columns > 1 and not header[0] and _filled(header) >= columns - 1):
        return True
    return _heads_columns(header, body, columns)


def _heads_columns(header: Row, body: list[Row], columns: int) -> bool:
    wider = sum(1 for row in body if _filled(row) > _filled(header) + 1)
    if _filled(header) < 2 or wider * 2 > len(body):
        return False
    if columns > 2:
        return True
    # "Name | Ada" over "Born | 1815" is a form that reads across, not a header over a record.
    cells = [row[1] for row in body if len(row) > 1 and row[1]]
    return bool(cells) and not _is_value(header[1]) and all(map(_NUMERIC.fullmatch, cells))


def _labelled(header: Row, row: Row) -> str:
    cells = [
        f"{header[i]}: {cell}" if i < len(header) and header[i] and header[i] != cell else cell
        for i, cell in enumerate(row)
        if cell
    ]
    return " | ".join(cell for cell, _ in groupby(cells))


def _plain(row: Row) -> str:
    """Join the cells; where most are filled, the gaps stay visible, because they tell the columns apart."""
    cells = [cell for cell, _ in groupby(row)] if _filled(row) * 2 >= len(row) else [cell for cell in row if cell]
    while cells and not cells[-1]:
        cells.pop()
    return " | ".join(cells).strip(" |") if not any(cells[:1]) else " | ".join(cells)


def _is_value(name: str) -> bool:
    return bool(_NUMERIC.fullmatch(name)) and not _YEAR.fullmatch(name)


def _filled(row: Row) -> int:
    return sum(1 for cell in row if cell)
