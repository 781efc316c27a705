"""EPUB: the chapters in the order of the spine, each read as a page of HTML."""

import posixpath
from urllib.parse import unquote

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.html import declared_charset, write_html
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.safe_xml import Element, child, children, descendants
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES

_SHOWN_METADATA = (("Author", "creator"), ("Publisher", "publisher"), ("Date", "date"), ("Description", "description"))


def parse(archive: Archive, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the EPUB `archive`. Raises ParseRejected."""
    rootfile = next(descendants(archive.read_xml("META-INF/container.xml"), "rootfile"), None)
    main = rootfile.get("full-path", "") if rootfile is not None else ""
    package = archive.read_xml(main)
    metadata = child(package, "metadata")
    builder = DocumentBuilder(limits)
    builder.lines(
        [f"{label}: {' and '.join(values)}" for label, name in _SHOWN_METADATA if (values := _values(metadata, name))]
    )
    paths = {
        item.get("id", ""): posixpath.normpath(posixpath.join(posixpath.dirname(main), unquote(item.get("href", ""))))
        for item in children(child(package, "manifest"), "item")
    }
    for reference in children(child(package, "spine"), "itemref"):
        path = paths.get(reference.get("idref", ""), "")
        if path in archive:
            data = archive.read(path)
            write_html(decode(data, declared_charset(data, None)), builder)
    if not paths:
        raise ParseRejected("broken", f"{filename!r} names no chapters; save the book again.")
    return builder.finish(
        content_type=CONTENT_TYPES["epub"],
        kind="html",
        title=next(iter(_values(metadata, "title")), filename.rpartition(".")[0]),
        empty_reason=f"{filename!r} has chapters without text, only pictures; run text recognition first.",
    )


def _values(metadata: Element | None, name: str) -> list[str]:
    return [value for element in children(metadata, name) if (value := " ".join((element.text or "").split()))]
