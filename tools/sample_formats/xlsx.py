"""Sheets of cells to an Excel file; numbers are stored as numbers."""

from __future__ import annotations

import re

from sample_formats.package import OFFICE, attribute, pack, relations, text

_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_NUMBER = re.compile(r"\d+(\.\d+)?$")
Sheet = tuple[str, tuple[tuple[str, ...], ...]]


def parse_sheets(source: str) -> tuple[Sheet, ...]:
    """Read sheets from text: a line "# Name" begins one, every other line is a row of cells between tabs."""
    sheets: list[tuple[str, list[tuple[str, ...]]]] = []
    for line in source.splitlines():
        if line.startswith("# "):
            sheets.append((line[2:], []))
        elif line:
            sheets[-1][1].append(tuple(line.split("\t")))
    return tuple((name, tuple(rows)) for name, rows in sheets)


def write_xlsx(sheets: tuple[Sheet, ...], title: str) -> bytes:
    """An Excel file with one header row, in bold, in each sheet."""
    paths = [f"xl/worksheets/sheet{number}.xml" for number in range(1, len(sheets) + 1)]
    entries = "".join(
        f'<sheet name={attribute(name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, (name, _) in enumerate(sheets, start=1)
    )
    targets = [("worksheet", path.removeprefix("xl/")) for path in paths]
    parts = {
        "xl/workbook.xml": (
            f'<workbook xmlns="{_S}" xmlns:r="{OFFICE}/relationships"><sheets>{entries}</sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": relations([*targets, ("styles", "styles.xml")]),
        "xl/styles.xml": _STYLES,
        **{path: _sheet(rows) for path, (_, rows) in zip(paths, sheets, strict=True)},
    }
    types = {
        "xl/workbook.xml": "spreadsheetml.sheet.main",
        "xl/styles.xml": "spreadsheetml.styles",
        **dict.fromkeys(paths, "spreadsheetml.worksheet"),
    }
    return pack(parts, types, title, "xl/workbook.xml")


def _sheet(rows: tuple[tuple[str, ...], ...]) -> str:
    widths = [max(len(row[column]) for row in rows if column < len(row)) + 2 for column in range(len(rows[0]))]
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(widths, start=1)
    )
    lines = "".join(
        f'<row r="{number}">'
        + "".join(_cell(f"{chr(65 + column)}{number}", value, bold=number == 1) for column, value in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    return f'<worksheet xmlns="{_S}"><cols>{columns}</cols><sheetData>{lines}</sheetData></worksheet>'


def _cell(reference: str, value: str, *, bold: bool) -> str:
    if _NUMBER.match(value):
        # Two decimals where the source has them, so that a price reads as a price.
        style = 2 if "." in value else 0
        return f'<c r="{reference}" s="{style}"><v>{value}</v></c>'
    style = 1 if bold else 0
    return f'<c r="{reference}" s="{style}" t="inlineStr"><is><t>{text(value)}</t></is></c>'


_STYLES = (
    f'<styleSheet xmlns="{_S}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
