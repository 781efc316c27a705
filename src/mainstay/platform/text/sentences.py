"""Cut a passage into the units that may be quoted: sentences, list items, table rows, and headings to leave out.

Offsets are code points into the passage and half open; a unit never begins or ends with white space, so what is
quoted is verbatim. Rules, not a model: they must cost microseconds and treat every language alike that ends its
sentences with a mark.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

UNIT_CHARS_MAX = 600  # a longer run without a stop is cut at a comma or a space: a quote is read by a person
LINE_CHARS_WRAPPED_MIN = 45  # a shorter line that ends without a stop was not broken by a page's width
HEADING_WORDS_MAX = 10
HEADING_CHARS_MAX = 80

# Where a run without a stop is cut, the best place first.
_CUT_AT = ("; ", "；", ", ", "，", "\n", " ")

UnitKind = Literal["sentence", "row", "heading"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One quotable piece `passage[start_char:end_char]`; a `heading` gives context and is never quoted."""

    start_char: int
    end_char: int
    kind: UnitKind


_LIST_ITEM = re.compile(r"\s*(?:[-*•‣◦▪·–—]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_MARKDOWN_HEADING = re.compile(r"\s*#{1,6}\s+")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|+-]*-[\s:|+-]*\|?\s*")
# A closing mark belongs to the sentence; the reference of an encyclopaedia, "end.[12]", does not.
_STOP = re.compile(r"[.!?…]+[\"'“”’»)\]]*(?=\s|$)|[。！？]+[”’」』）)]*|[.!?][\"'”’»)\]]*(?=\[\d+\])")
_OPENS_SENTENCE = re.compile(r"[\"'“‘„«(\[*_]*[^\Wa-zß-öø-ÿ]")
# "Net income $ 24,160 $ 25,010": what is left of a table's row where its lines were lost.
_PRINTED_ROW = re.compile(r"[^\W\d].*\s[$€£(]{0,2}\d(?:[\d.,]*\d)?[)%]*(?:\s+[$€£(—–-]{0,3}\s?\d(?:[\d.,]*\d)?[)%]*)+$")
_WORD = re.compile(r"[^\W\d_]+")
_FACT = re.compile(r"\d|[:：]")
_INITIAL = re.compile(r"(?:^|[\s(.])[^\W\d_]\.$")
_ORDINAL = re.compile(r"(?:^|[\s(])\d{1,2}\.$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“„])(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|approx|Inc|Ltd|Corp|Co|No|Nos|Fig|Figs|Eq|Sec|Art|Vol|Ch|pp|ed|"
    r"e\.g|i\.e|cf|al|ca|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|Gen|Gov|Sen|Rep|Capt|Lt|Col|Mt|"
    r"bzw|usw|vgl|evtl|ggf|inkl|Nr|Abs|Str|Hr|Fr|z\. ?B|d\. ?h|u\. ?a|o\. ?ä|s\. ?o|Chr|Mio|Mrd|Tel|Kap|sog)\.$"
)


def split_units(text: str) -> tuple[Unit, ...]:
    """Return the units of `text` in their order; every visible character stands in at most one of them."""
    units: list[Unit] = []
    for start, end, kind in _blocks(text):
        if kind == "sentence":
            units.extend(_sentences(text, start, end))
        else:
            units.extend(_trimmed(text, start, end, kind))
    return tuple(units)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    body: str
    kind: UnitKind
    # Where the words begin, behind the mark of a list; None where there is no mark.
    item_start: int | None


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    position = 0
    for raw in text.splitlines(keepends=True):
        item = _LIST_ITEM.match(raw)
        body = raw.strip()
        if body:
            if lines and _names_columns(lines[-1], body):
                lines[-1] = replace(lines[-1], kind="heading")
            item_start = position + item.end() if item else None
            lines.append(_Line(position, position + len(raw), body, _line_kind(body), item_start))
        else:
            lines.append(_Line(position, position + len(raw), "", "sentence", None))
        position += len(raw)
    return lines


def _blocks(text: str) -> Iterator[tuple[int, int, UnitKind]]:
    """Join the lines that a page's width has broken; rows, list items and headings stand alone."""
    first = last = None
    for line in _lines(text):
        if first and last and line.kind == "sentence" and line.item_start is None and _is_wrapped(last.body, line.body):
            last = line
            continue
        if first and last:
            yield _block(text, first, last)
            first = None
        if line.kind == "sentence" and line.body:
            first = last = line
        elif line.body and not _TABLE_RULE.fullmatch(line.body):
            yield line.start, line.end, line.kind
    if first and last:
        yield _block(text, first, last)


def _block(text: str, first: _Line, last: _Line) -> tuple[int, int, UnitKind]:
    start = first.start if first.item_start is None else first.item_start
    block = text[start : last.end].strip()
    is_item = first.item_start is not None and not block.endswith((":", "："))
    return start, last.end, "heading" if not is_item and _looks_like_heading(block) else "sentence"


def _line_kind(body: str) -> UnitKind:
    if _MARKDOWN_HEADING.match(body):
        return "heading"
    if body.startswith("|") or " | " in body or "\t" in body or _TABLE_RULE.fullmatch(body):
        return "row"
    # The pattern reads a long line from each of its letters on; most lines end otherwise than a row of figures.
    may_be_row = body[-1].isdecimal() or body[-1] in ")%"
    return "row" if may_be_row and _PRINTED_ROW.search(body) and not _STOP.search(body[-2:]) else "sentence"


def _names_columns(line: _Line, following: str) -> bool:
    """Say whether a row is the head of its table: a rule is under it, or the next row repeats its names as labels."""
    if line.kind != "row" or _TABLE_RULE.fullmatch(line.body):
        return False
    name = line.body.strip("| ").split("|")[0].strip()
    return bool(_TABLE_RULE.fullmatch(following)) or (bool(name) and following.startswith(f"{name}:"))


def _is_wrapped(previous: str, body: str) -> bool:
    """Say whether the line `body` goes on with the sentence of the line `previous`."""
    if not body or previous.endswith((":", "：")):
        return False
    stop = next(_STOP.finditer(previous, max(0, len(previous) - 4)), None)
    if stop is not None and _ends_sentence(previous, 0, stop, len(previous)):
        return False
    if body[0].islower():
        return True
    return len(previous) >= LINE_CHARS_WRAPPED_MIN and not _is_title_case(previous)


def _is_title_case(line: str) -> bool:
    words = [word for word in _WORD.findall(line) if len(word) > 3]
    return len(words) > 2 and all(word[0].isupper() for word in words)


def _looks_like_heading(block: str) -> bool:
    """A short line without a stop, a number or a colon is a title; "Weight: 3 kg" is a fact."""
    if "\n" in block or _STOP.search(block) or block.endswith((",", ";")):
        return False
    if block.endswith((":", "：")):
        return True
    return len(block.split()) <= HEADING_WORDS_MAX and len(block) <= HEADING_CHARS_MAX and not _FACT.search(block)


def _sentences(text: str, start: int, end: int) -> Iterator[Unit]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.end() < end and not _ends_sentence(text, begin, stop, end):
            continue
        yield from _trimmed(text, begin, stop.end(), "sentence")
        begin = stop.end()
    yield from _trimmed(text, begin, end, "sentence")


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    if stop.group()[0] in "。！？":
        return True
    following = text[stop.end() : min(end, stop.end() + 12)].lstrip()
    if following and not _OPENS_SENTENCE.match(following):
        return bool(following[0] in "-•–—")
    if stop.group() != ".":
        return True
    before = text[max(begin, stop.end() - 14) : stop.end()]
    return not (_INITIAL.search(before) or _ORDINAL.search(before) or _ABBREVIATION.search(before))


def _trimmed(text: str, start: int, end: int, kind: UnitKind) -> Iterator[Unit]:
    """Take white space off both ends, and cut what is too long to be read as a quote."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > UNIT_CHARS_MAX:
        window = text[start : start + UNIT_CHARS_MAX]
        cuts = (window.rfind(mark) + len(mark.rstrip()) for mark in _CUT_AT)
        cut = next((cut for cut in cuts if cut > UNIT_CHARS_MAX // 3), UNIT_CHARS_MAX)
        yield from _trimmed(text, start, start + cut, kind)
        start += cut
        while start < end and text[start].isspace():
            start += 1
    if _WORD.search(text, start, end):
        yield Unit(start, end, kind)
