"""Cuts a document into passages that fit the embedding model, along its headings, pages, paragraphs and rows."""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from mainstay.knowledge.documents.parsed import Chunk, Kind, ParsedDocument
from mainstay.knowledge.documents.sections import Section, sections
from mainstay.knowledge.documents.token_estimate import TokenMeter

_WINDOW_CHARS = 10_000

Splitter = Literal["markdown", "text"]


@dataclass(frozen=True, slots=True)
class ChunkRule:
    """How one kind of document is cut, in estimated word pieces.

    A chunk with its heading path has at most `tokens_max`; one below `tokens_min` is merged with its neighbour where
    that makes sense. `overlap_tokens` of a piece are repeated in the next one of the same section. `merges_pages`
    lets small pages share a chunk.
    """

    splitter: Splitter
    tokens_max: int
    tokens_min: int
    overlap_tokens: int = 0
    merges_pages: bool = False


# MiniLM reads 256 word pieces, two of them its own marks. The estimate is a tenth too high for English prose, so that
# the densest passages still fit; that makes about 1,000 characters of English and 220 of Chinese.
RULES: Mapping[Kind, ChunkRule] = {
    "markdown": ChunkRule("markdown", tokens_max=240, tokens_min=50),
    "html": ChunkRule("markdown", tokens_max=240, tokens_min=50),
    "word": ChunkRule("markdown", tokens_max=240, tokens_min=50),
    "email": ChunkRule("markdown", tokens_max=240, tokens_min=50),
    # Lines of a PDF are paragraphs or rows by now; a page is the place that a citation names.
    "pdf": ChunkRule("text", tokens_max=240, tokens_min=50, merges_pages=True),
    "text": ChunkRule("text", tokens_max=240, tokens_min=50),
    "slides": ChunkRule("text", tokens_max=240, tokens_min=30, merges_pages=True),
    # A row is a statement of its own: fewer of them in a chunk keep their words from drowning each other.
    "sheet": ChunkRule("text", tokens_max=220, tokens_min=30),
    "table": ChunkRule("text", tokens_max=220, tokens_min=30),
}


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """The rule for each kind of document, and the most that a heading path may take from a chunk's room."""

    rules: Mapping[Kind, ChunkRule] = field(default_factory=lambda: RULES)
    path_tokens_max: int = 60
    # One character may be several word pieces, and a word without end only one.
    capacity_chars_min: int = 40
    capacity_chars_max: int = 2_000


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    tokens: int
    section: Section
    path: tuple[str, ...]
    is_heading_only: bool


def chunk(parsed: ParsedDocument, limits: ChunkLimits | None = None) -> list[Chunk]:
    """Return the passages of `parsed`, in order.

    They cover every character that is not white space, and `text == parsed.text[start_char:end_char]` for each.
    The text must be free of lone surrogates, as parsers leave it.
    """
    limits = limits or ChunkLimits()
    rule = limits.rules[parsed.kind]
    cutter = _Cutter(parsed.text, rule, limits)
    pieces = (piece for section in sections(parsed) for piece in cutter.cut(section))
    starts = [page.start_char for page in parsed.pages]
    chunks: list[Chunk] = []
    for ordinal, piece in enumerate(_merged(pieces, rule, limits)):
        text = parsed.text[piece.start : piece.end]
        chunks.append(
            Chunk(
                ordinal=ordinal,
                text=text,
                start_char=piece.start,
                end_char=piece.end,
                page_first=_page(parsed, starts, piece.start),
                page_last=_page(parsed, starts, piece.end - 1),
                heading_path=piece.path,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
        )
    return chunks


class _Cutter:
    """Cuts sections of one text into pieces that fit."""

    def __init__(self, text: str, rule: ChunkRule, limits: ChunkLimits) -> None:
        self._text = text
        self._rule = rule
        self._limits = limits
        self._meter = TokenMeter(text)

    def cut(self, section: Section) -> Iterator[_Piece]:
        """Yield the pieces of `section`, each small enough to stand under its heading path."""
        start, end = _trimmed(self._text, section.start, section.end)
        if start == end:
            return
        tokens = self._meter.tokens(start, end)
        room = self._rule.tokens_max - self._tokens_of(section.path)
        heading_only = section.body_start >= end
        if tokens <= room and end - start <= self._limits.capacity_chars_max:
            yield _Piece(start, end, tokens, section, section.path, heading_only)
            return
        # The heading goes with the first piece of its body; a splitter would leave it alone before a long paragraph.
        body_start = start if heading_only else max(section.body_start, start)
        room = max(room - self._meter.tokens(start, body_start), self._rule.tokens_max // 3)
        spans = [span for window in self._windows(body_start, end) for span in self._fitting(*window, room)]
        # A piece that was cut again may end inside the overlap of the next one.
        spans.sort()
        for number, (body, piece_end) in enumerate(spans):
            piece_start = start if number == 0 else body
            tokens = self._meter.tokens(piece_start, piece_end)
            yield _Piece(piece_start, piece_end, tokens, section, section.path, is_heading_only=False)

    def _fitting(self, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
        """Yield spans of `text[start:end]` of at most `room` tokens, as even in size as good boundaries allow."""
        limits = self._limits
        start, end = _trimmed(self._text, start, end)
        length, tokens = end - start, self._meter.tokens(start, end)
        capacity = min(max(length * room // tokens, limits.capacity_chars_min), limits.capacity_chars_max)
        if length <= capacity:
            yield from ((start, end),) if length else ()
            return
        # Filled up to an even share, a chunk may end at the next good boundary; the last one is then no scrap.
        even = math.ceil(length / math.ceil(length / capacity))
        overlap = min(self._rule.overlap_tokens * length // tokens, even // 2)
        splitter = _splitter(self._rule.splitter, even, capacity, overlap)
        for offset, piece in splitter.chunk_indices(self._text[start:end]):
            piece_start = start + offset
            piece_end = piece_start + len(piece)
            # Where the passage is denser than on the whole, such as Chinese between English, it is cut again.
            if self._meter.tokens(piece_start, piece_end) > room and len(piece) < length:
                yield from self._fitting(piece_start, piece_end, room)
            else:
                yield piece_start, piece_end

    def _windows(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield stretches that the splitters are fast on: the time they take grows with the square of a long one."""
        while end - start > 2 * _WINDOW_CHARS:
            low, high = start + _WINDOW_CHARS, start + 2 * _WINDOW_CHARS
            found = (self._text.rfind(mark, low, high) for mark in ("\n\n", "\n", " "))
            cut = next((position for position in found if position >= 0), high)
            yield start, cut
            start = cut
        yield start, end

    def _tokens_of(self, path: tuple[str, ...]) -> int:
        """Return the room that a heading path takes: English has four letters a piece, other scripts down to one."""
        tokens = sum(len(title) // 4 + 1 if title.isascii() else len(title) for title in path)
        return min(tokens, self._limits.path_tokens_max)


@lru_cache(maxsize=256)
def _splitter(name: Splitter, even: int, capacity: int, overlap: int) -> MarkdownSplitter | TextSplitter:
    make = MarkdownSplitter if name == "markdown" else TextSplitter
    return make((even, capacity), overlap=overlap)


def _merged(pieces: Iterator[_Piece], rule: ChunkRule, limits: ChunkLimits) -> Iterator[_Piece]:
    """Yield the pieces, small ones joined with a neighbour under the same parent heading where both fit."""
    current: _Piece | None = None
    for piece in pieces:
        fits = current is not None and piece.end - current.start <= limits.capacity_chars_max
        if current is not None and fits and _belong_together(current, piece, rule):
            if current.is_heading_only and piece.path[: len(current.path)] == current.path:
                current.path, current.section = piece.path, piece.section
            else:
                current.path = _common(current.path, piece.path)
            current.end = max(current.end, piece.end)
            current.tokens += piece.tokens
            current.is_heading_only = current.is_heading_only and piece.is_heading_only
            continue
        if current is not None:
            yield current
        current = piece
    if current is not None:
        yield current


def _belong_together(current: _Piece, piece: _Piece, rule: ChunkRule) -> bool:
    if current.tokens >= rule.tokens_min and piece.tokens >= rule.tokens_min:
        return False
    if current.tokens + piece.tokens > rule.tokens_max:
        return False
    if current.section.page != piece.section.page and not rule.merges_pages:
        return False
    if current.section is piece.section:
        return True
    # A small piece at the end of a part is no reason to swallow the heading that opens the next part.
    shared = len(_common(current.path, piece.path))
    return shared >= max(len(current.path), len(piece.path)) - 1 and shared >= min(len(current.path), 1)


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    count = 0
    while count < min(len(left), len(right)) and left[count] == right[count]:
        count += 1
    return left[:count]


def _page(parsed: ParsedDocument, starts: list[int], position: int) -> int | None:
    index = bisect_right(starts, position) - 1
    return parsed.pages[max(index, 0)].number if parsed.pages else None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without the white space at its ends; an empty one where there is nothing else."""
    passage = text[start:end]
    stripped = passage.strip()
    if not stripped:
        return start, start
    start += len(passage) - len(passage.lstrip())
    return start, start + len(stripped)
