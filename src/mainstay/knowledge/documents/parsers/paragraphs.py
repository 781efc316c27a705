"""The lines of a PDF page joined back into paragraphs, so that sentences are whole and rows of tables stay apart."""

import math
import re
from itertools import pairwise

from mainstay.knowledge.documents.parsers.cleaning import clean

# What pdfium writes where a hyphen ends a line; it has taken the line's end away with it.
_HYPHEN = re.compile("(\\w)[\ufffe\x02](?:\r\n|\r|\n)?(\\w)")
_ITEM = re.compile(r"(?:[•▪◦‣●○■□✓➢*–—-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])\s")
_FIGURE = re.compile(r"\d[\d,.%]*")
_FULL_CHARS_MIN = 40
# Characters differ in width, so a full line may have this much fewer of them than the fullest.
_FULL_SHARE = 0.9
# Fewer full lines than this make no column of text.
_FULL_LINES_MIN = 3
_CONTINUED_CHARS_MIN = 20
_FIGURE_SIGNS = frozenset("$€£—-–%")
_TABLE_FIGURES_MIN = 3
_ROW_END_FIGURES = 2
_SENTENCE_ENDS = (".", "!", "?", ":", ")", "”", '"', "。")
_CONTINUED = re.compile(r"[a-z\u00df-\u00ff(\u0430-\u044f\u03b1-\u03c9]")


def join_lines(raw: str) -> str:
    """Return the text of one page as paragraphs and single lines.

    A line goes on in the next one when the next word would not have fitted into it, or when the next begins in
    lower case; never when either is a row of figures or when the next is an item of a list.
    """
    lines = [" ".join(line.split()) for line in clean(_HYPHEN.sub(_rejoin, raw)).split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        return ""
    full = _full_length(lines)
    parts = [lines[0]]
    for before, line in pairwise(lines):
        if not _goes_on(before, line, full):
            parts.append("\n")
        elif before.endswith(("-", "/")) and before[-2:-1].isalnum():
            pass
        else:
            parts.append(" ")
        parts.append(line)
    return "".join(parts)


def _rejoin(match: re.Match[str]) -> str:
    # A compound keeps its hyphen: its second half has a capital or a digit where a word's would not.
    before, after = match[1], match[2]
    keeps = after.isdigit() or before.isdigit() or (after.isupper() and before.islower())
    return f"{before}-{after}" if keeps else before + after


def _full_length(lines: list[str]) -> float:
    """Return the length of the page's full lines, or infinity where too few lines agree on one."""
    lengths = sorted(len(line) for line in lines if len(line) >= _FULL_CHARS_MIN)
    if not lengths:
        return math.inf
    # Not the longest: a single wide line says nothing about the column.
    full = lengths[len(lengths) * 9 // 10]
    agreeing = sum(1 for length in lengths if length >= full * _FULL_SHARE)
    return full if agreeing >= _FULL_LINES_MIN else math.inf


def _goes_on(line: str, following: str, full: float) -> bool:
    if _ITEM.match(following) or _is_row(line) or _is_row(following):
        return False
    if _CONTINUED.match(following) and len(line) >= _CONTINUED_CHARS_MIN:
        return True
    if line.endswith(_SENTENCE_ENDS) and len(following) < full / 2 and not following.endswith(_SENTENCE_ENDS):
        # A short line after the end of a sentence that ends no sentence itself: a heading or a running footer.
        return False
    # The next word would have fitted: the line was ended on purpose.
    word_chars = following.find(" ") if " " in following else len(following)
    return len(line) + 1 + word_chars >= full * _FULL_SHARE and len(line) >= _FULL_CHARS_MIN // 2


def _is_row(line: str) -> bool:
    """Say whether `line` is a row of a table: it ends in figures, or they make up much of it."""
    are_figures = [_is_figure(word) for word in line.split()]
    if all(are_figures[-_ROW_END_FIGURES:]) and len(are_figures) > _ROW_END_FIGURES:
        return True
    return sum(are_figures) >= _TABLE_FIGURES_MIN and sum(are_figures) * 10 >= len(are_figures) * 4


def _is_figure(word: str) -> bool:
    return word in _FIGURE_SIGNS or bool(_FIGURE.fullmatch(word.strip("$€£()%—-–*")))
