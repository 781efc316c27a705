"""Blocks to a PowerPoint file: each heading of level 1 begins a slide."""

from __future__ import annotations

from sample_formats.blocks import Block, Heading, Items, Paragraph, Table
from sample_formats.package import pack, relations, text
from sample_formats.pptx_theme import LAYOUT, MASTER, NAMESPACES, THEME

_EMU_PER_PT = 12700
_MARGIN = 50 * _EMU_PER_PT
_WIDTH = 960 * _EMU_PER_PT
_HEIGHT = 540 * _EMU_PER_PT
Slide = tuple[str, tuple[Block, ...]]


def write_pptx(blocks: tuple[Block, ...]) -> bytes:
    """A PowerPoint file with a title and, below it, text, lists and tables on every slide."""
    slides = _slides(blocks)
    paths = [f"ppt/slides/slide{number}.xml" for number in range(1, len(slides) + 1)]
    entries = "".join(f'<p:sldId id="{255 + number}" r:id="rId{number}"/>' for number in range(1, len(slides) + 1))
    targets = [("slide", path.removeprefix("ppt/")) for path in paths]
    master = f'<p:sldMasterIdLst><p:sldMasterId id="2147483648" r:id="rId{len(slides) + 1}"/></p:sldMasterIdLst>'
    parts = {
        "ppt/presentation.xml": (
            f"<p:presentation {NAMESPACES}>{master}<p:sldIdLst>{entries}</p:sldIdLst>"
            f'<p:sldSz cx="{_WIDTH}" cy="{_HEIGHT}"/><p:notesSz cx="{_HEIGHT}" cy="{_WIDTH}"/></p:presentation>'
        ),
        "ppt/_rels/presentation.xml.rels": relations([*targets, ("slideMaster", "slideMasters/slideMaster1.xml")]),
        "ppt/slideMasters/slideMaster1.xml": MASTER,
        "ppt/slideMasters/_rels/slideMaster1.xml.rels": relations(
            [("slideLayout", "../slideLayouts/slideLayout1.xml"), ("theme", "../theme/theme1.xml")]
        ),
        "ppt/slideLayouts/slideLayout1.xml": LAYOUT,
        "ppt/slideLayouts/_rels/slideLayout1.xml.rels": relations(
            [("slideMaster", "../slideMasters/slideMaster1.xml")]
        ),
        "ppt/theme/theme1.xml": THEME,
    }
    for number, (path, slide) in enumerate(zip(paths, slides, strict=True), start=1):
        parts[path] = _slide(slide)
        layout = relations([("slideLayout", "../slideLayouts/slideLayout1.xml")])
        parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = layout
    types = {
        "ppt/presentation.xml": "presentationml.presentation.main",
        "ppt/slideMasters/slideMaster1.xml": "presentationml.slideMaster",
        "ppt/slideLayouts/slideLayout1.xml": "presentationml.slideLayout",
        "ppt/theme/theme1.xml": "theme",
        **dict.fromkeys(paths, "presentationml.slide"),
    }
    return pack(parts, types, slides[0][0], "ppt/presentation.xml")


def _slides(blocks: tuple[Block, ...]) -> list[Slide]:
    slides: list[tuple[str, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 1:
            slides.append((block.text, []))
        else:
            slides[-1][1].append(block)
    return [(title, tuple(content)) for title, content in slides]


def _slide(slide: Slide) -> str:
    title, content = slide
    shapes = [_text_box(2, [title], 40 * _EMU_PER_PT, 60 * _EMU_PER_PT, size=3200, kind="title", bullet=False)]
    top = 130 * _EMU_PER_PT
    for number, block in enumerate(content, start=3):
        match block:
            case Table(rows):
                height = 32 * _EMU_PER_PT * len(rows)
                shapes.append(_table(number, rows, top, height))
            case Items(_, texts):
                height = 36 * _EMU_PER_PT * len(texts)
                shapes.append(_text_box(number, list(texts), top, height, size=1800, kind="body", bullet=True))
            case Paragraph(words):
                height = 40 * _EMU_PER_PT
                shapes.append(_text_box(number, [words], top, height, size=1800, kind="body", bullet=False))
            case _:
                raise ValueError(f"a slide cannot hold {block!r}; use text, lists and tables")
        top += height + 12 * _EMU_PER_PT
    tree = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    return f"<p:sld {NAMESPACES}><p:cSld><p:spTree>{tree}{''.join(shapes)}</p:spTree></p:cSld></p:sld>"


def _text_box(identity: int, lines: list[str], top: int, height: int, *, size: int, kind: str, bullet: bool) -> str:
    mark = (
        '<a:pPr marL="285750" indent="-285750"><a:buChar char="•"/></a:pPr>' if bullet else "<a:pPr><a:buNone/></a:pPr>"
    )
    weight = ' b="1"' if kind == "title" else ""
    paragraphs = "".join(
        f'<a:p>{mark}<a:r><a:rPr lang="en-GB" sz="{size}"{weight}/><a:t>{text(line)}</a:t></a:r></a:p>'
        for line in lines
    )
    placeholder = '<p:ph type="title"/>' if kind == "title" else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{identity}" name="{kind} {identity}"/><p:cNvSpPr/>'
        f"<p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:spPr>{_frame('a', top, height)}"
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr>'
        f"<p:txBody><a:bodyPr/><a:lstStyle/>{paragraphs}</p:txBody></p:sp>"
    )


def _table(identity: int, rows: tuple[tuple[str, ...], ...], top: int, height: int) -> str:
    column = (_WIDTH - 2 * _MARGIN) // len(rows[0])
    grid = f'<a:gridCol w="{column}"/>' * len(rows[0])
    lines = "".join(
        f'<a:tr h="{height // len(rows)}">'
        + "".join(_table_cell(words, bold=row is rows[0]) for words in row)
        + "</a:tr>"
        for row in rows
    )
    return (
        f'<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="{identity}" name="table {identity}"/>'
        f"<p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr>{_frame('p', top, height)}"
        '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/table">'
        f'<a:tbl><a:tblPr firstRow="1"/><a:tblGrid>{grid}</a:tblGrid>{lines}</a:tbl>'
        "</a:graphicData></a:graphic></p:graphicFrame>"
    )


def _table_cell(words: str, *, bold: bool) -> str:
    weight = ' b="1"' if bold else ""
    run = f'<a:r><a:rPr lang="en-GB" sz="1600"{weight}/><a:t>{text(words)}</a:t></a:r>'
    return f"<a:tc><a:txBody><a:bodyPr/><a:lstStyle/><a:p>{run}</a:p></a:txBody><a:tcPr/></a:tc>"


def _frame(prefix: str, top: int, height: int) -> str:
    """Where a shape stands: drawing and presentation put the same element into different namespaces."""
    size = f'<a:off x="{_MARGIN}" y="{top}"/><a:ext cx="{_WIDTH - 2 * _MARGIN}" cy="{height}"/>'
    return f"<{prefix}:xfrm>{size}</{prefix}:xfrm>"
