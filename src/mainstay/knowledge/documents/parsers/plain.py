"""Text without markup, AsciiDoc and captions: the words as they stand, in clean lines."""

import re

from mainstay.knowledge.documents.parsed import Heading, ParsedDocument
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.cleaning import clean, without_data
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES, Format

_ASCIIDOC_HEADING = re.compile(r"^(={1,6})[ \t]+(\S.*?)[ \t]*=*$", re.MULTILINE)
_TIMING = re.compile(r"(?:\d+:)?\d+:\d+[.,]\d+\s+-->\s+")
_CUE_VOICE = re.compile(r"<v(?:\.[^ >]*)?\s+([^>]+)>")
_CUE_TAG = re.compile(r"</?[a-z][^>]{0,200}>|<\d[\d:.]*>")
_METADATA_BLOCKS = ("NOTE", "STYLE", "REGION", "WEBVTT")


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the plain text `data`. Raises ParseRejected."""
    return _document(without_data(clean(decode(data))), filename, limits, "text", [])


def parse_asciidoc(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the AsciiDoc source `data`, kept as it stands, with its headings. Raises ParseRejected."""
    text = without_data(clean(decode(data)))
    headings = [Heading(len(match[1]), match[2], match.start()) for match in _ASCIIDOC_HEADING.finditer(text)]
    return _document(text, filename, limits, "asciidoc", headings)


def parse_captions(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return what the WebVTT or SubRip captions `data` say, one line a cue, without times. Raises ParseRejected."""
    lines: list[str] = []
    for block in re.split(r"\n{2,}", clean(decode(data))):
        rows = block.strip().split("\n")
        at = next((i for i, row in enumerate(rows[:2]) if _TIMING.match(row)), None)
        if at is None or rows[0].startswith(_METADATA_BLOCKS):
            continue
        cue = _CUE_VOICE.sub(r"\1: ", " ".join(rows[at + 1 :]))
        lines.append(_CUE_TAG.sub("", cue).strip())
    return _document("\n".join(line for line in lines if line), filename, limits, "vtt", [])


def _document(text: str, filename: str, limits: ParseLimits, name: Format, headings: list[Heading]) -> ParsedDocument:
    builder = DocumentBuilder(limits)
    builder.adopt(text, headings)
    return builder.finish(
        content_type=CONTENT_TYPES[name],
        kind="text",
        title=headings[0].title if headings else filename.rpartition(".")[0] or filename,
        empty_reason=f"{filename!r} has no visible text in it ({len(text):,} characters); upload a file with words.",
    )
