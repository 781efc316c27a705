"""HTML: the words of the page in reading order, without scripts, styles, menus and what is hidden."""

import re

from mainstay.knowledge.documents.parsed import ParsedDocument
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.html_reader import HtmlReader
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES, SNIFF_BYTES
from mainstay.knowledge.documents.parsers.tables import render_table

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,100}encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE
)
_MAIN = re.compile(r"<main[\s>]", re.IGNORECASE)
# Where the filters leave less text than this, and less than a part of what there is, they have cut too much.
_FILTERED_CHARS_MIN = 200
_FILTERED_SHARE_MIN = 0.3


def parse(data: bytes, filename: str, limits: ParseLimits, content_type: str | None = None) -> ParsedDocument:
    """Return the document in the HTML page `data`. Raises ParseRejected."""
    builder = DocumentBuilder(limits)
    title = write_html(decode(data, declared_charset(data, content_type)), builder)
    return builder.finish(
        content_type=CONTENT_TYPES["html"],
        kind="html",
        title=title or filename.rpartition(".")[0] or filename,
        empty_reason=f"{filename!r} is a page without visible text, perhaps one that a script fills; "
        "print it to PDF in a browser and upload that.",
    )


def write_html(source: str, builder: DocumentBuilder) -> str:
    """Write the words of the page `source` into `builder` and return the page's title."""
    reader = HtmlReader(only_main=bool(_MAIN.search(source)), skip_noise=True)
    reader.read(source)
    if reader.chars < _FILTERED_CHARS_MIN:
        unfiltered = HtmlReader(only_main=False, skip_noise=False)
        unfiltered.read(source)
        reader = unfiltered if reader.chars < unfiltered.chars * _FILTERED_SHARE_MIN else reader
    for block in reader.blocks:
        if block.kind == "heading":
            builder.heading(block.level, block.text)
        elif block.kind == "item":
            builder.item(block.text)
        elif block.kind == "table":
            builder.lines(render_table(block.rows, marked_header=block.marked_header))
        else:
            builder.block(block.text)
    return reader.title


def declared_charset(data: bytes, content_type: str | None) -> str | None:
    """Return the charset that the sender or the page itself names, or None."""
    sent = re.search(r"charset=[\"']?([\w.:-]+)", content_type or "", re.IGNORECASE)
    if sent:
        return sent[1]
    found = _CHARSET.search(data[:SNIFF_BYTES])
    return (found[1] or found[2]).decode("ascii", "replace") if found else None
