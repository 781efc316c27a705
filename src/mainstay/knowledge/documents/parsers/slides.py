"""PPTX: each slide is a page with its title as heading, its texts, tables, charts, diagrams and notes."""

from collections.abc import Iterator

from mainstay.knowledge.documents.parsed import ParsedDocument
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charts import read_chart
from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.inline import inline_text
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.safe_xml import Element, attribute, child, children, descendants, local
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES
from mainstay.knowledge.documents.parsers.tables import Row, render_table

_TITLES = frozenset(("title", "ctrTitle"))
# Dates, footers and slide numbers repeat on every slide and say nothing.
_FURNITURE = frozenset(("dt", "ftr", "sldNum", "hdr"))

Relations = dict[str, tuple[str, str]]


def parse(archive: Archive, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the PPTX `archive`, one page a slide. Raises ParseRejected."""
    main = next(
        (path for kind, path in archive.relations("").values() if kind == "officeDocument"), "ppt/presentation.xml"
    )
    relations = archive.relations(main)
    builder = DocumentBuilder(limits)
    order = child(archive.read_xml(main), "sldIdLst")
    title = ""
    for entry in order if order is not None else ():
        # The slide's relation id is the attribute `id` with a namespace; the one without is a number.
        identifier = next((v for k, v in entry.attrib.items() if k.endswith("}id")), "")
        kind, path = relations.get(identifier, ("", ""))
        builder.start_page()
        if kind == "slide" and path in archive:
            slide_title = _read_slide(archive, path, builder)
            title = title or slide_title
    return builder.finish(
        content_type=CONTENT_TYPES["pptx"],
        kind="slides",
        title=title,
        empty_reason=f"{filename!r} has slides without text, only pictures; run text recognition first.",
    )


def _read_slide(archive: Archive, path: str, builder: DocumentBuilder) -> str:
    """Write the slide at `path` down and return its title."""
    relations = archive.relations(path)
    shapes = list(_shapes(child(archive.read_xml(path), "cSld", "spTree")))
    titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
    title = one_line(" ".join(_paragraph_texts(titles[0]))) if titles else ""
    builder.heading(2, title)
    for shape in shapes:
        if shape in titles[:1] or _placeholder(shape) in _FURNITURE:
            continue
        for block in _blocks(archive, shape, relations):
            builder.block(block)
    for note in _notes(archive, relations):
        builder.block(f"Notes: {note}")
    for comment in _comments(archive, relations):
        builder.block(f"Comment: {comment}")
    return title


def _shapes(tree: Element | None) -> Iterator[Element]:
    for shape in tree if tree is not None else ():
        name = local(shape)
        if name == "grpSp":
            yield from _shapes(shape)
        elif name == "AlternateContent":
            yield from _shapes(child(shape, "Choice"))
        elif name in ("sp", "graphicFrame", "pic", "cxnSp"):
            yield shape


def _placeholder(shape: Element) -> str | None:
    found = child(next(iter(shape), None), "nvPr", "ph")
    return None if found is None else found.get("type", "body")


def _blocks(archive: Archive, shape: Element, relations: Relations) -> Iterator[str]:
    texts = _paragraph_texts(shape)
    if texts:
        yield "\n".join(texts)
    data = child(shape, "graphic", "graphicData")
    for node in data if data is not None else ():
        name = local(node)
        if name == "tbl":
            yield "\n".join(render_table(_table_rows(node)))
        elif name == "chart":
            yield from read_chart(archive, relations.get(attribute(node, "id") or "", ("", ""))[1])
        elif name == "relIds":
            yield from _diagram(archive, relations.get(attribute(node, "dm") or "", ("", ""))[1])
    if local(shape) == "pic" and (words := _alternative_text(shape)):
        yield f"Picture: {words}"


def _paragraph_texts(shape: Element) -> list[str]:
    body = child(shape, "txBody")
    lines: list[str] = []
    for paragraph in children(body, "p"):
        text = inline_text(paragraph).strip()
        if text:
            properties = child(paragraph, "pPr")
            bulleted = child(properties, "buChar") is not None or child(properties, "buAutoNum") is not None
            lines.append(f"- {text}" if bulleted else text)
    return lines


def _table_rows(table: Element) -> list[Row]:
    rows: list[Row] = []
    for row in children(table, "tr"):
        cells: Row = []
        for cell in children(row, "tc"):
            if cell.get("hMerge") == "1" and cells:
                cells.append(cells[-1])
            elif cell.get("vMerge") == "1" and rows and len(cells) < len(rows[-1]):
                cells.append(rows[-1][len(cells)])
            else:
                cells.append(" ".join(_paragraph_texts(cell)))
        rows.append(cells)
    return rows


def _diagram(archive: Archive, path: str) -> Iterator[str]:
    if path in archive:
        texts = (inline_text(paragraph).strip() for paragraph in descendants(archive.read_xml(path), "p"))
        yield "\n".join(f"- {text}" for text in texts if text)


def _notes(archive: Archive, relations: Relations) -> Iterator[str]:
    for kind, path in relations.values():
        if kind == "notesSlide" and path in archive:
            for shape in _shapes(child(archive.read_xml(path), "cSld", "spTree")):
                if _placeholder(shape) == "body" and (texts := _paragraph_texts(shape)):
                    yield "\n".join(texts)


def _comments(archive: Archive, relations: Relations) -> Iterator[str]:
    for kind, path in relations.values():
        if kind == "comments" and path in archive:
            for comment in archive.read_xml(path):
                yield one_line(" ".join(t.text or "" for t in comment.iter() if local(t) in ("text", "t")))


def _alternative_text(shape: Element) -> str:
    properties = child(next(iter(shape), None), "cNvPr")
    words = one_line(properties.get("descr", "")) if properties is not None else ""
    # A file name or a guess of the program is no description.
    is_name = " " not in words and "." in words
    return "" if is_name or "generated" in words.lower() else words
