"""The old binary formats (DOC, PPT, XLS, MSG) and RTF, through kreuzberg's native readers."""

import html
import re

import kreuzberg

from mainstay.knowledge.documents.parsed import Kind, ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES, Format
from mainstay.knowledge.documents.parsers.tables import render_table

_KINDS: dict[Format, Kind] = {"doc": "word", "ppt": "slides", "xls": "sheet", "msg": "email", "rtf": "word"}
_HEADING = re.compile(r"^(#{1,6}) +(.+)$")
_EMPHASIS = re.compile(r"\*\*([^*\n]+)\*\*")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_FIELD_CODE = re.compile(r"\b(?:SEQ \w+ \\\* ARABIC|HYPERLINK \"[^\"]*\"|PAGEREF \S+ \\h|TOC \\o [^ ]+)\s?")
_RULE = re.compile(r"-{3,}")


def parse(data: bytes, filename: str, limits: ParseLimits, name: Format) -> ParsedDocument:
    """Return the document in `data` of the old format `name`. Raises ParseRejected."""
    config = kreuzberg.ExtractionConfig(
        output_format="markdown", ocr=None, use_cache=False, enable_quality_processing=False
    )
    try:
        result = kreuzberg.extract_bytes_sync(data, CONTENT_TYPES[name], config=config)
    except kreuzberg.KreuzbergError as error:
        sentence = str(error).partition("\n")[0][:200]
        if "password" in sentence.lower() or "encrypt" in sentence.lower():
            raise ParseRejected("encrypted", f"{filename!r} is protected by a password; save it without one.") from None
        raise ParseRejected(
            "broken", f"{filename!r} cannot be read as {name.upper()} ({sentence}); save it in a current format."
        ) from None
    builder = DocumentBuilder(limits)
    _write(result.content, builder, has_pages=name == "xls")
    return builder.finish(
        content_type=CONTENT_TYPES[name],
        kind=_KINDS[name],
        title="",
        empty_reason=f"{filename!r} has no text, only pictures or empty cells; save it in a current format.",
    )


def _write(content: str, builder: DocumentBuilder, *, has_pages: bool) -> None:
    for block in re.split(r"\n{2,}", content):
        lines = [_plain(line) for line in block.split("\n")]
        heading = _HEADING.match(lines[0]) if len(lines) == 1 else None
        if heading:
            if has_pages:
                builder.start_page()
            builder.heading(len(heading[1]), heading[2], label_only=has_pages)
        elif block.startswith("|"):
            rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in block.split("\n")]
            rows = [
                [_plain(cell) for cell in row]
                for row in rows
                if not all(_RULE.fullmatch(cell) or not cell for cell in row)
            ]
            builder.lines(render_table(rows))
        elif not _RULE.fullmatch(block.strip()):
            builder.lines(lines)


def _plain(line: str) -> str:
    """Undo the escapes and marks of Markdown, which nobody wrote into these files."""
    line = html.unescape(line.rstrip())
    return _FIELD_CODE.sub("", _ESCAPED.sub(r"\1", _EMPHASIS.sub(r"\1", line)))
