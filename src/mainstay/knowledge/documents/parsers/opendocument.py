"""ODT, ODP and ODS: the same XML inside, with slides and sheets as pages."""

from mainstay.knowledge.documents.parsed import Kind, ParsedDocument
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.safe_xml import Element, attribute, child, children, descendants, local
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES, Format
from mainstay.knowledge.documents.parsers.tables import Row, render_table

_KINDS: dict[Format, Kind] = {"odt": "word", "odp": "slides", "ods": "sheet"}
_UNSEEN = frozenset(
    ("tracked-changes", "annotation", "forms", "sequence-decls", "settings", "note-citation", "bookmark-ref")
)
_REPEATED_MAX = 100
_LISTS_NESTED_MAX = 30


def parse(archive: Archive, filename: str, limits: ParseLimits, name: Format) -> ParsedDocument:
    """Return the document in the OpenDocument `archive` of the format `name`. Raises ParseRejected."""
    builder = DocumentBuilder(limits)
    body = child(archive.read_xml("content.xml"), "body")
    for part in body if body is not None else ():
        _write(part, builder, 0)
    return builder.finish(
        content_type=CONTENT_TYPES[name],
        kind=_KINDS[name],
        title=_title(archive) or ("" if name == "odt" else filename.rpartition(".")[0]),
        empty_reason=f"{filename!r} has no text, only pictures or empty cells; add text or run text recognition first.",
    )


def _write(element: Element, builder: DocumentBuilder, depth: int) -> None:
    for node in element:
        name = local(node)
        if name in _UNSEEN:
            continue
        if name == "h":
            level = attribute(node, "outline-level") or "1"
            builder.heading(int(level) if level.isdecimal() else 1, _text(node))
        elif name == "p":
            builder.block(_text(node).strip())
            for box in descendants(node, "text-box"):
                _write(box, builder, depth)
        elif name == "list":
            _write_list(node, builder, depth)
        elif name == "table":
            _write_table(node, builder, is_sheet=local(element) == "spreadsheet")
        elif name == "page":
            _write_slide(node, builder)
        elif name == "notes":
            texts = [text for p in descendants(node, "p") if (text := _text(p).strip())]
            builder.block("Notes: " + "\n".join(texts) if texts else "")
        else:
            _write(node, builder, depth)


def _write_list(element: Element, builder: DocumentBuilder, depth: int) -> None:
    for item in element:
        for node in item:
            if local(node) == "list" and depth < _LISTS_NESTED_MAX:
                _write_list(node, builder, depth + 1)
            elif local(node) in ("p", "h") and (text := _text(node).strip()):
                builder.item(f"{'  ' * depth}- {text}")


def _write_slide(page: Element, builder: DocumentBuilder) -> None:
    builder.start_page()
    frames = [frame for frame in descendants(page, "frame") if attribute(frame, "class") == "title"]
    title = one_line(" ".join(_text(p) for p in descendants(frames[0], "p"))) if frames else ""
    builder.heading(2, title)
    for node in page:
        if node not in frames[:1]:
            wrapper = type(node)("wrapper")
            wrapper.append(node)
            _write(wrapper, builder, 0)


def _write_table(table: Element, builder: DocumentBuilder, *, is_sheet: bool) -> None:
    if is_sheet:
        builder.start_page()
        builder.heading(2, attribute(table, "name") or "", label_only=True)
    block: list[Row] = []
    for row in descendants(table, "table-row"):
        cells = _cells(row)
        if any(cells):
            repeated = attribute(row, "number-rows-repeated") or "1"
            block.extend([cells] * min(int(repeated) if repeated.isdecimal() else 1, _REPEATED_MAX))
        elif block:
            builder.lines(render_table(block))
            block = []
    builder.lines(render_table(block))


def _cells(row: Element) -> Row:
    cells: Row = []
    for cell in row:
        if local(cell) in ("table-cell", "covered-table-cell"):
            text = " ".join(filter(None, (_text(p).strip() for p in descendants(cell, "p"))))
            repeated = attribute(cell, "number-columns-repeated") or "1"
            cells.extend([text] * min(int(repeated) if repeated.isdecimal() else 1, _REPEATED_MAX))
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(element: Element) -> str:
    parts: list[str] = [element.text or ""]
    for node in element:
        name = local(node)
        if name == "s":
            count = attribute(node, "c") or "1"
            parts.append(" " * min(int(count) if count.isdecimal() else 1, _REPEATED_MAX))
        elif name == "tab":
            parts.append("\t")
        elif name == "line-break":
            parts.append("\n")
        elif name == "note":
            noted = child(node, "note-body")
            parts.append(f" ({_text(noted).strip()})" if noted is not None else "")
        elif name not in _UNSEEN and name != "text-box":
            parts.append(_text(node))
        parts.append(node.tail or "")
    return "".join(parts)


def _title(archive: Archive) -> str:
    if "meta.xml" not in archive:
        return ""
    found = children(child(archive.read_xml("meta.xml"), "meta"), "title")
    return found[0].text or "" if found else ""
