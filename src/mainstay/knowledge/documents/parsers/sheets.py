"""XLSX: each sheet is a page, each row a line with the names of its columns."""

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.safe_xml import Element, child, children, iterate_xml, local
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES
from mainstay.knowledge.documents.parsers.tables import Row, render_table

_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
# What Excel tells older versions of itself, in front of what the reviewer wrote.
_THREADED = re.compile(r"^\[Threaded comment\].{0,400}?linkid=\d+ (?:Comment: )?")
_COLUMNS_MAX = 16_384
_CELLS_MAX = 5_000_000
_MERGED_ROWS_MAX = 1_000
# The numbers of the built-in formats that show a date or a time.
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_PERCENT_FORMATS = frozenset((9, 10))
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_DATE_LETTERS = re.compile(r"[ymdhs]", re.IGNORECASE)

Cells = dict[int, str]


@dataclass(frozen=True, slots=True)
class _Book:
    strings: list[str]
    # One entry per cell style: "date", "percent" or "".
    styles: list[str]
    epoch: datetime.datetime


def parse(archive: Archive, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the XLSX `archive`, one page a sheet. Raises ParseRejected."""
    main = next((path for kind, path in archive.relations("").values() if kind == "officeDocument"), "xl/workbook.xml")
    relations = archive.relations(main)
    workbook = archive.read_xml(main)
    properties = child(workbook, "workbookPr")
    since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    parts = dict(relations.values())
    book = _Book(
        strings=list(_shared_strings(archive, parts.get("sharedStrings"))),
        styles=_cell_styles(archive, parts.get("styles")),
        epoch=datetime.datetime(1904, 1, 1) if since_1904 else datetime.datetime(1899, 12, 30),  # noqa: DTZ001  (sheets know no time zone)
    )
    builder = DocumentBuilder(limits)
    for sheet in children(child(workbook, "sheets"), "sheet"):
        identifier = next((v for k, v in sheet.attrib.items() if k.endswith("}id")), "")
        builder.start_page()
        builder.heading(2, sheet.get("name", ""), label_only=True)
        kind, path = relations.get(identifier, ("", ""))
        if kind == "worksheet" and path in archive:
            for table in _tables(_rows(archive.read(path), path, book)):
                builder.lines(render_table(table))
            builder.lines(_comments(archive, path))
    return builder.finish(
        content_type=CONTENT_TYPES["xlsx"],
        kind="sheet",
        title=filename.rpartition(".")[0],
        empty_reason=f"{filename!r} has sheets without a filled cell; fill one or upload another file.",
    )


def _comments(archive: Archive, sheet: str) -> list[str]:
    """Return the comments on a sheet, each with the cell that it stands on."""
    lines: list[str] = []
    for kind, path in archive.relations(sheet).values():
        if kind == "comments" and path in archive:
            root = archive.read_xml(path)
            lines.extend(
                f"Comment on {comment.get('ref')}: {_THREADED.sub('', one_line(_rich_text(text)))}"
                for comment in children(child(root, "commentList"), "comment")
                if (text := child(comment, "text")) is not None
            )
    return lines


def _shared_strings(archive: Archive, path: str | None) -> Iterator[str]:
    if path and path in archive:
        for item in iterate_xml(archive.read(path), path):
            if local(item) == "si":
                yield _rich_text(item)
                item.clear()


def _rich_text(item: Element) -> str:
    """Join the runs of `item`; the reading aids of Japanese (rPh) are no part of the text."""
    direct = [t.text or "" for t in children(item, "t")]
    return "".join(direct + [t.text or "" for run in children(item, "r") for t in children(run, "t")])


def _cell_styles(archive: Archive, path: str | None) -> list[str]:
    if not path or path not in archive:
        return []
    root = archive.read_xml(path)
    codes = {f.get("numFmtId"): f.get("formatCode", "") for f in children(child(root, "numFmts"), "numFmt")}
    return [_style(style.get("numFmtId", "0"), codes) for style in children(child(root, "cellXfs"), "xf")]


def _style(number: str, codes: dict[str | None, str]) -> str:
    code = codes.get(number)
    if code is None:
        known = int(number) if number.isdecimal() else 0
        return "date" if known in _DATE_FORMATS else "percent" if known in _PERCENT_FORMATS else ""
    bare = _QUOTED.sub("", code).partition(";")[0]
    if bare.lower() != "general" and _DATE_LETTERS.search(bare) and "0" not in bare.replace("s.0", ""):
        return "date"
    return "percent" if "%" in bare else ""


def _rows(data: bytes, path: str, book: _Book) -> dict[int, Cells]:
    """Return the filled cells as {row: {column: text}}, with merged cells filled downwards."""
    rows: dict[int, Cells] = {}
    count = 0
    for element in iterate_xml(data, path):
        name = local(element)
        if name == "row":
            number = _int(element.get("r"), max(rows, default=0) + 1)
            cells = _cells(element, book)
            element.clear()
            if cells:
                rows[number] = cells
                count += len(cells)
            if count > _CELLS_MAX:
                raise ParseRejected(
                    "oversized",
                    f"A sheet has more than {_CELLS_MAX:,} filled cells; split it or export what matters as CSV.",
                )
        elif name == "mergeCell":
            _fill_down(rows, element.get("ref", ""))
    return rows


def _cells(row: Element, book: _Book) -> Cells:
    cells: Cells = {}
    column = 0
    for cell in row:
        match = _REFERENCE.fullmatch(cell.get("r", ""))
        column = _column(match[1]) if match else column + 1
        if column <= _COLUMNS_MAX and (text := _cell_text(cell, book)):
            cells[column] = text
    return cells


def _cell_text(cell: Element, book: _Book) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = child(cell, "is")
        return "" if inline is None else _rich_text(inline).strip()
    value = child(cell, "v")
    text = (value.text or "").strip() if value is not None else ""
    if kind == "s":
        index = _int(text, -1)
        return book.strings[index].strip() if 0 <= index < len(book.strings) else ""
    if kind == "b":
        return "TRUE" if text == "1" else "FALSE" if text else ""
    return _number(text, _int(cell.get("s"), 0), book) if kind == "n" and text else text


def _number(text: str, style: int, book: _Book) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    shown = book.styles[style] if 0 <= style < len(book.styles) else ""
    if shown == "date" and 0 <= value < 2_958_466:
        return _date(value, book.epoch)
    if shown == "percent":
        return f"{value * 100:.10g}%"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"


def _date(value: float, epoch: datetime.datetime) -> str:
    moment = epoch + datetime.timedelta(seconds=round(value * 86_400))
    if value < 1:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d}" if value.is_integer() else f"{moment:%Y-%m-%d %H:%M:%S}"


def _fill_down(rows: dict[int, Cells], reference: str) -> None:
    """Copy a cell that is merged over several rows into each of them, so that each row is understood alone."""
    ends = [_REFERENCE.fullmatch(part) for part in reference.split(":")]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return
    column, top, bottom = _column(ends[0][1]), int(ends[0][2]), int(ends[1][2])
    text = rows.get(top, {}).get(column)
    if text and bottom - top < _MERGED_ROWS_MAX:
        for number in range(top + 1, bottom + 1):
            if number in rows:
                rows[number].setdefault(column, text)


def _tables(rows: dict[int, Cells]) -> Iterator[list[Row]]:
    """Yield the runs of rows between blank ones, each cut to its filled columns."""
    block: list[Cells] = []
    last = 0
    for number in sorted(rows):
        if block and number > last + 1:
            yield _grid(block)
            block = []
        block.append(rows[number])
        last = number
    if block:
        yield _grid(block)


def _grid(block: list[Cells]) -> list[Row]:
    columns = sorted({column for cells in block for column in cells})
    return [[cells.get(column, "") for column in columns] for cells in block]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _int(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else default
