"""How many word pieces a text will become, without the tokenizer: cheap, and careful with every script.

The weights were fitted to the vocabulary of MiniLM (bert-base-uncased) on the real files and judged sets of the data
folder; `python -m bench.parsing` prints how they hold.
"""

import numpy as np
from numpy.typing import NDArray

# Hundredths of a word piece. A word costs once, when it begins; a letter, a little for long words.
_WORD, _LETTER, _DIGIT, _SIGN = 112, 2, 65, 110
# An accent says that the words around it are not English and break into more pieces.
_ACCENTED = 420
# Ideographs and kana are a piece each, Hangul is taken apart into its letters, and the words of other alphabets are
# mostly unknown to the vocabulary and fall into single letters.
_WIDE, _HANGUL, _OTHER = 100, 200, 90
_RANGES = (
    (0x0080, 0x00BF, _SIGN), (0x00C0, 0x024F, _ACCENTED), (0x0250, 0x02FF, _OTHER), (0x0370, 0x1DFF, _OTHER),
    (0x1E00, 0x1EFF, _ACCENTED), (0x1F00, 0x1FFF, _OTHER), (0x2010, 0x2E7F, _SIGN), (0x2E80, 0xA4CF, _WIDE),
    (0xA500, 0xABFF, _OTHER), (0xAC00, 0xD7AF, _HANGUL), (0xF900, 0xFAFF, _WIDE), (0xFB00, 0xFEFF, _OTHER),
    (0xFF00, 0xFFFF, _WIDE),
)  # fmt: skip


def _tables() -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    costs = np.zeros(0x10000, np.uint32)
    for code in range(0x80):
        character = chr(code)
        if character.isprintable() and character != " ":
            costs[code] = _LETTER if character.isalpha() else _DIGIT if character.isdigit() else _SIGN
    for first, last, cost in _RANGES:
        costs[first : last + 1] = cost
    return costs, (costs == _LETTER) | (costs == _ACCENTED)


_COSTS, _IS_LETTER = _tables()


class TokenMeter:
    """The estimated word pieces of any span of one text, each answered at once from running sums."""

    def __init__(self, text: str) -> None:
        codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
        # Emoji and rare ideographs lie above the table and cost as much as its last entry.
        codes = np.minimum(codes, 0xFFFF)
        costs = _COSTS[codes]
        letters = _IS_LETTER[codes]
        begins = letters.copy()
        begins[1:] &= ~letters[:-1]
        costs += begins * np.uint32(_WORD)
        # Sums may wrap around; differences of unsigned numbers are right all the same.
        self._sums = np.zeros(len(codes) + 1, np.uint32)
        np.cumsum(costs, dtype=np.uint32, out=self._sums[1:])

    def tokens(self, start: int, end: int) -> int:
        """Return about how many word pieces `text[start:end]` has; rather too many than too few."""
        return (int(self._sums[end]) - int(self._sums[start])) % 2**32 // 100 + 1


def estimate_tokens(text: str) -> int:
    """Return about how many word pieces `text` has."""
    return TokenMeter(text).tokens(0, len(text))
