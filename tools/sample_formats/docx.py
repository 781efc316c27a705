"""Blocks to a Word file with real heading styles, lists and tables."""

from __future__ import annotations

from sample_formats.blocks import Block, Heading, Items, PageBreak, Paragraph, Table
from sample_formats.package import pack, relations, text

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STYLES = (
    # id, name, size in half points, bold, space before and after in twentieths of a point
    ("Normal", "Normal", 22, False, 0, 120),
    ("Title", "Title", 44, True, 0, 120),
    ("Heading1", "heading 1", 28, True, 300, 80),
    ("Heading2", "heading 2", 24, True, 240, 60),
    ("ListParagraph", "List Paragraph", 22, False, 0, 60),
)


def write_docx(blocks: tuple[Block, ...]) -> bytes:
    """A Word file; the first heading is its title, headings of level 2 become "heading 1" and so on."""
    first = blocks[0]
    title = first.text if isinstance(first, Heading) else ""
    body = "".join(_block(block) for block in blocks)
    page = '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1440" w:bottom="1440" '
    page += 'w:left="1440" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr>'
    parts = {
        "word/document.xml": f'<w:document xmlns:w="{_W}"><w:body>{body}{page}</w:body></w:document>',
        "word/styles.xml": _styles(),
        "word/_rels/document.xml.rels": relations([("styles", "styles.xml")]),
    }
    types = {
        "word/document.xml": "wordprocessingml.document.main",
        "word/styles.xml": "wordprocessingml.styles",
    }
    return pack(parts, types, title, "word/document.xml")


def _block(block: Block) -> str:
    match block:
        case Heading(level, words):
            return _paragraph(words, "Title" if level == 1 else f"Heading{level - 1}")
        case Paragraph(words):
            return _paragraph(words, "Normal")
        case Items(marks, texts):
            rows = zip(marks, texts, strict=True)
            return "".join(_paragraph(f"{mark} {words}", "ListParagraph") for mark, words in rows)
        case Table(rows):
            return _table(rows)
        case PageBreak():
            return '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'


def _paragraph(words: str, style: str) -> str:
    run = f'<w:r><w:t xml:space="preserve">{text(words)}</w:t></w:r>'
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{run}</w:p>'


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    sides = ("top", "left", "bottom", "right", "insideH", "insideV")
    borders = "".join(f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="999999"/>' for side in sides)
    width = 9026 // len(rows[0])
    grid = f'<w:gridCol w:w="{width}"/>' * len(rows[0])
    cell = f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>'
    lines = "".join(
        "<w:tr>" + "".join(f"{cell}{_paragraph(words, 'Normal')}</w:tc>" for words in row) + "</w:tr>" for row in rows
    )
    properties = f'<w:tblPr><w:tblW w:w="9026" w:type="dxa"/><w:tblBorders>{borders}</w:tblBorders></w:tblPr>'
    # A table needs a paragraph after it, or Word glues two tables together.
    return f"<w:tbl>{properties}<w:tblGrid>{grid}</w:tblGrid>{lines}</w:tbl><w:p/>"


def _styles() -> str:
    return f'<w:styles xmlns:w="{_W}">' + "".join(_style(*style) for style in _STYLES) + "</w:styles>"


def _style(identity: str, name: str, size: int, bold: bool, before: int, after: int) -> str:
    # "Normal" is the default, and every other style is based on it.
    default, based_on = (' w:default="1"', "") if identity == "Normal" else ("", '<w:basedOn w:val="Normal"/>')
    weight = "<w:b/>" if bold else ""
    return (
        f'<w:style w:type="paragraph"{default} w:styleId="{identity}"><w:name w:val="{name}"/>{based_on}'
        f'<w:pPr><w:spacing w:before="{before}" w:after="{after}"/></w:pPr>'
        f'<w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri"/>{weight}<w:sz w:val="{size}"/></w:rPr></w:style>'
    )
