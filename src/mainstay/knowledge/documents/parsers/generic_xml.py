"""XML that people write: journal articles (JATS), feeds (RSS, Atom), and anything else with words in elements."""

import re
from xml.parsers import expat

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.html import write_html
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES

# Elements that stand inside a sentence; all others end the paragraph.
_INLINE = frozenset(
    [
        "italic",
        "bold",
        "i",
        "b",
        "em",
        "strong",
        "sub",
        "sup",
        "underline",
        "sc",
        "monospace",
        "xref",
        "ext-link",
        "uri",
        "email",
        "span",
        "a",
        "named-content",
        "styled-content",
        "inline-formula",
        "math",
        "mi",
        "mo",
        "mn",
        "mrow",
        "msup",
        "msub",
        "mfrac",
        "given-names",
        "surname",
        "year",
        "volume",
        "fpage",
        "lpage",
        "issue",
        "source",
        "article-title-ref",
        "label",
        "name",
        "string-name",
        "person-group",
        "collab",
        "abbrev",
        "code",
        "tt",
        "u",
        "s",
        "small",
        "big",
        "pub-id",
    ]
)
_SECTIONS = frozenset(
    [
        "sec",
        "section",
        "chapter",
        "item",
        "entry",
        "article",
        "part",
        "book",
        "abstract",
        "ref-list",
        "ack",
        "app",
        "channel",
        "feed",
    ]
)
_TITLES = frozenset(["title", "article-title", "heading", "subtitle"])
_NOISE = frozenset(
    [
        "style",
        "script",
        "tex-math",
        "object-id",
        "issn",
        "journal-id",
        "article-id",
        "guid",
        "link",
        "generator",
        "history",
        "permissions",
    ]
)
_MARKUP = re.compile(r"<(?:p|div|br|ul|ol|h[1-6]|a|img|span|table|figure)\b", re.IGNORECASE)


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the XML `data`. Raises ParseRejected."""
    reader = _Reader(DocumentBuilder(limits), limits.nesting_depth_max)
    parser = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    # Without these, expat neither fetches another file nor expands what the document defines for itself.
    parser.EntityDeclHandler = reader.refuse_entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(data, True)  # noqa: FBT003  (expat takes no names: this is all of the data)
    except expat.ExpatError as error:
        raise ParseRejected("broken", f"{filename!r} is not well-formed XML ({error}); save it again.") from None
    return reader.builder.finish(
        content_type=CONTENT_TYPES["xml"],
        kind="html",
        title=reader.title or filename.rpartition(".")[0] or filename,
        empty_reason=f"{filename!r} has elements and no text in them; upload a file with words.",
    )


class _Reader:
    def __init__(self, builder: DocumentBuilder, depth_max: int) -> None:
        self.builder = builder
        self.title = ""
        self._depth_max = depth_max
        self._open: list[str] = []
        self._sections = 0
        self._noise = 0
        self._text: list[str] = []

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2].lower()
        self._open.append(name)
        if len(self._open) > self._depth_max:
            raise ParseRejected(
                "oversized", f"The file nests deeper than {self._depth_max} elements; no program writes that."
            )
        if name in _NOISE:
            self._noise += 1
        if name not in _INLINE:
            self._flush(self._open[-2] if len(self._open) > 1 else "")
        self._sections += name in _SECTIONS

    def end(self, tag: str) -> None:
        name = self._open.pop()
        if name not in _INLINE:
            self._flush(name)
        else:
            self._text.append("")
        self._sections -= name in _SECTIONS
        self._noise -= name in _NOISE

    def characters(self, text: str) -> None:
        if not self._noise:
            self._text.append(text)

    def refuse_entity(self, name: str, *_: object) -> None:
        raise ParseRejected(
            "broken",
            f"The file defines the entity {name!r}, which could pull in or blow up other text; save it without.",
        )

    def _flush(self, name: str) -> None:
        raw = "".join(self._text)
        self._text = []
        text = one_line(raw)
        if not text:
            return
        if _MARKUP.search(raw):
            write_html(raw, self.builder)
        elif name in _TITLES:
            self.title = self.title or text
            self.builder.heading(max(self._sections, 1), text)
        else:
            self.builder.block(text)
