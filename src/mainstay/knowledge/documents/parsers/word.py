"""DOCX: paragraphs, headings, numbered lists, tables, text boxes and notes, in reading order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mainstay.knowledge.documents.parsed import ParsedDocument
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charts import read_chart
from mainstay.knowledge.documents.parsers.inline import inline_text
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.numbering import Numbering
from mainstay.knowledge.documents.parsers.safe_xml import Element, attribute, child, children, descendants, local
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES
from mainstay.knowledge.documents.parsers.tables import render_table

_HEADING_NAME = re.compile(r"heading ([1-9])")
_CONTAINERS = frozenset(("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "Choice", "AlternateContent"))
_BASED_ON_MAX = 20
_SPANS_MAX = 64


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str | None
    outline_level: int | None
    number_id: str | None
    number_depth: int | None


def parse(archive: Archive, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the DOCX `archive`. Raises ParseRejected."""
    main = next(
        (path for kind, path in archive.relations("").values() if kind == "officeDocument"), "word/document.xml"
    )
    reader = _Reader(archive, main, limits)
    body = child(archive.read_xml(main), "body")
    for block in body if body is not None else ():
        reader.read(block)
    reader.read_notes()
    return reader.builder.finish(
        content_type=CONTENT_TYPES["docx"],
        kind="word",
        title=_core_title(archive) or reader.title,
        empty_reason=f"{filename!r} has no text, only pictures or empty paragraphs; run text recognition first.",
    )


class _Reader:
    def __init__(self, archive: Archive, main: str, limits: ParseLimits) -> None:
        self.builder = DocumentBuilder(limits)
        self.title = ""
        self._archive = archive
        self._relations = archive.relations(main)
        self._parts = {kind: path for kind, path in self._relations.values() if path in archive}
        self._styles = _read_styles(self._part("styles"))
        self._numbering = Numbering.read(self._part("numbering"))

    def read(self, block: Element) -> None:
        """Write one block of the body down."""
        name = local(block)
        if name == "p":
            self._read_paragraph(block)
        elif name == "tbl":
            self.builder.lines(render_table(_rows(block)))
        elif name in _CONTAINERS:
            for inner in block:
                self.read(inner)

    def read_notes(self) -> None:
        """Write the footnotes, endnotes and comments down, after the text that they belong to."""
        for kind, note in (("footnotes", "footnote"), ("endnotes", "endnote")):
            root = self._part(kind)
            for element in children(root, note):
                if attribute(element, "type") is None and (text := _cell_text(element)):
                    self.builder.block(f"Note {attribute(element, 'id')}: {text}")
        for comment in children(self._part("comments"), "comment"):
            author = attribute(comment, "author")
            if text := _cell_text(comment):
                self.builder.block(f"Comment by {author}: {text}" if author else f"Comment: {text}")

    def _part(self, kind: str) -> Element | None:
        path = self._parts.get(kind)
        return self._archive.read_xml(path) if path else None

    def _read_paragraph(self, paragraph: Element) -> None:
        text = inline_text(paragraph).strip()
        properties = child(paragraph, "pPr")
        style_id = _value(properties, "pStyle")
        if text:
            level = self._heading_level(properties, style_id)
            label = self._label(properties, style_id)
            if level is not None and len(text) <= 300:
                self._read_heading(level, f"{label} {text}" if label not in ("", "-") else text)
            elif label:
                self.builder.item(f"{label} {text}")
            else:
                self.builder.block(text)
        for box in _text_boxes(paragraph):
            for inner in box:
                self.read(inner)
        for chart in descendants(paragraph, "chart"):
            for block in read_chart(self._archive, self._relations.get(attribute(chart, "id") or "", ("", ""))[1]):
                self.builder.block(block)

    def _read_heading(self, level: int, text: str) -> None:
        if level == 0:
            self.title = self.title or text
        self.builder.heading(max(level, 1), text)

    def _heading_level(self, properties: Element | None, style_id: str | None) -> int | None:
        own = _value(properties, "outlineLvl")
        if own is not None and own.isdecimal():
            return int(own) + 1 if int(own) < 9 else None
        for style in self._lineage(style_id):
            name = style.name.lower()
            if match := _HEADING_NAME.fullmatch(name):
                return int(match[1])
            if name == "title":
                return 0
            if style.outline_level is not None:
                return style.outline_level + 1 if style.outline_level < 9 else None
        return None

    def _label(self, properties: Element | None, style_id: str | None) -> str:
        own = child(properties, "numPr")
        number_id, depth = _value(own, "numId"), _value(own, "ilvl")
        for style in self._lineage(style_id):
            number_id = style.number_id if number_id is None else number_id
            depth = str(style.number_depth) if depth is None and style.number_depth is not None else depth
        if number_id is None:
            return ""
        return self._numbering.label(number_id, int(depth) if depth and depth.isdecimal() else 0)

    def _lineage(self, style_id: str | None) -> Iterator[_Style]:
        for _ in range(_BASED_ON_MAX):
            style = self._styles.get(style_id or "")
            if style is None:
                return
            yield style
            style_id = style.based_on


def _read_styles(root: Element | None) -> dict[str, _Style]:
    styles: dict[str, _Style] = {}
    for element in children(root, "style"):
        properties = child(element, "pPr")
        outline = _value(properties, "outlineLvl")
        numbers = child(properties, "numPr")
        depth = _value(numbers, "ilvl")
        styles[attribute(element, "styleId") or ""] = _Style(
            name=_value(element, "name") or "",
            based_on=_value(element, "basedOn"),
            outline_level=int(outline) if outline and outline.isdecimal() else None,
            number_id=_value(numbers, "numId"),
            number_depth=int(depth) if depth and depth.isdecimal() else None,
        )
    return styles


def _rows(table: Element) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in _through(table, "tr"):
        cells: list[str] = []
        before = _value(child(row, "trPr"), "gridBefore")
        cells.extend([""] * min(int(before), _SPANS_MAX) if before and before.isdecimal() else ())
        for cell in _through(row, "tc"):
            properties = child(cell, "tcPr")
            merged = child(properties, "vMerge")
            text = _cell_text(cell)
            if merged is not None and attribute(merged, "val") != "restart" and rows and len(cells) < len(rows[-1]):
                # The lower cells of a merged one are empty in the file; each row is to be understood alone.
                text = rows[-1][len(cells)]
            span = _value(properties, "gridSpan")
            cells.extend([text] * min(int(span) if span and span.isdecimal() else 1, _SPANS_MAX))
        rows.append(cells)
    return rows


def _through(element: Element, name: str) -> Iterator[Element]:
    for inner in element:
        if local(inner) == name:
            yield inner
        elif local(inner) in _CONTAINERS:
            yield from _through(inner, name)


def _cell_text(element: Element) -> str:
    parts: list[str] = []
    for block in element:
        name = local(block)
        if name == "p":
            parts.append(inline_text(block))
            parts.extend(_cell_text(box) for box in _text_boxes(block))
        elif name == "tbl":
            parts.extend(" ".join(filter(None, row)) for row in _rows(block))
        elif name in _CONTAINERS:
            parts.append(_cell_text(block))
    return " ".join(part.strip() for part in parts if part.strip())


def _text_boxes(paragraph: Element) -> Iterator[Element]:
    """Yield the text boxes anchored in `paragraph`; of a drawing and its fallback for old programs, only one."""
    for node in paragraph:
        name = local(node)
        if name == "txbxContent":
            yield node
        elif name == "AlternateContent":
            chosen = child(node, "Choice")
            has_text = chosen is not None and next(descendants(chosen, "txbxContent"), None) is not None
            branch = chosen if has_text else child(node, "Fallback")
            if branch is not None:
                yield from _text_boxes(branch)
        elif name not in ("pPr", "rPr", "t"):
            yield from _text_boxes(node)


def _core_title(archive: Archive) -> str:
    if "docProps/core.xml" not in archive:
        return ""
    title = child(archive.read_xml("docProps/core.xml"), "title")
    return (title.text or "").strip() if title is not None else ""


def _value(element: Element | None, name: str) -> str | None:
    found = child(element, name)
    return None if found is None else attribute(found, "val")
