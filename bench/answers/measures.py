"""When a quoted text contains the expected answer."""

import re
import unicodedata
from collections.abc import Sequence

from mainstay.platform.text import content_words

# An answer that a person wrote in words of their own counts as found when this share of it was quoted, or when this
# share of the quotes stands in it and they have WORDS_SHARED_MIN words in common, beyond those of the question.
OVERLAP_MIN = 0.5
WORDS_SHARED_MIN = 4
_YEAR = re.compile(r"(?:19|20)\d\d")
_FIGURE_DIGITS_MIN = 3


def contains_answer(question: str, answers: Sequence[str], quoted: str, *, is_verbatim: bool) -> bool:
    """Say whether `quoted` has one of the `answers` to `question`."""
    if is_verbatim:
        return any(_plain(answer) in _plain(quoted) for answer in answers)
    return any(_overlaps(question, answer, quoted) for answer in answers)


def _overlaps(question: str, answer: str, quoted: str) -> bool:
    if (_figures(answer) - _figures(question)) & _figures(quoted):
        return True
    asked = _keys(question)
    expected, given = _keys(answer) - asked, _keys(quoted) - asked
    shared = len(expected & given)
    if shared >= OVERLAP_MIN * max(1, len(expected)):
        return True
    return shared >= WORDS_SHARED_MIN and shared >= OVERLAP_MIN * len(given)


def _figures(text: str) -> set[str]:
    """Return the numbers that are no years and too long to be there by chance."""
    numbers = {word.key for word in content_words(text) if word.kind == "number"}
    return {
        number
        for number in numbers
        if not _YEAR.fullmatch(number) and ("." in number or len(number) >= _FIGURE_DIGITS_MIN)
    }


def _keys(text: str) -> set[str]:
    return {word.key for word in content_words(text)}


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
