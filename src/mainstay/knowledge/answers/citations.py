"""Citations of an answer that a model wrote: each `[n]` becomes the sentence of passage n that supports what it says.

A model's marker is a claim, not a proof. What it stands behind is looked for in the passage, word by word; where
nothing there says it, the marker stays in the text but nothing is cited for it. Nothing here does I/O.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mainstay.control.gateway.models import ChatEvent, Passage, Quote, TextDelta
from mainstay.platform.text import Unit, Word, content_words, split_units

# The weighted share of a claim's words that a sentence must have to support it.
SUPPORT_MIN = 0.4
# Two neighbouring sentences are quoted together only where that adds this much.
PAIR_GAIN_MIN = 0.15
# A remnant of fewer words between two markers is read with the sentence that it ends.
CLAIM_WORDS_MIN = 3
CLAIM_CHARS_MAX = 1_000
_WEIGHTS = {"word": 1.0, "noun": 1.5, "name": 2.0, "number": 2.0}

_MARKER = re.compile(r"[\[【]\s*(\d{1,3}(?:\s*[,;，、]\s*\d{1,3})*)\s*[\]】]")
_MARKER_CHARS_MAX = 60
_NUMBER = re.compile(r"\d+")
# Between two markers of one claim: "[1][2]", "[1], [2]", "[1] and [2]".
_BETWEEN_MARKERS = re.compile(r"[\s,;、，]*(?:(?:and|und|和)\s+)?")


async def with_citations(
    events: AsyncIterator[ChatEvent], passages: Mapping[int, Passage]
) -> AsyncGenerator[ChatEvent]:
    """Yield `events` unchanged, with a Quote after each marker that a passage supports.

    A model that quotes by itself is left alone: once it has given a Quote, its markers are only text. Its quotes are
    checked too, and dropped where their passage or offsets do not exist.
    """
    answer = _Answer(passages)
    quotes_itself = False
    async for event in events:
        if isinstance(event, Quote):
            quotes_itself = True
            if _exists(event, passages):
                yield event
            continue
        yield event
        if isinstance(event, TextDelta) and not quotes_itself:
            for quote in answer.read(event.text):
                yield quote


def _exists(quote: Quote, passages: Mapping[int, Passage]) -> bool:
    passage = passages.get(quote.passage_number)
    return passage is not None and 0 <= quote.start_char < quote.end_char <= len(passage.text)


@dataclass
class _Answer:
    """The answer as far as it was read; a marker may be split over any number of deltas."""

    passages: Mapping[int, Passage]
    text: str = ""
    _unread_from: int = 0
    _marker_end: int = 0
    _claim: str = ""
    _given: set[Quote] = field(default_factory=set)
    _spans: dict[int, Sequence["_Span"]] = field(default_factory=dict)

    def read(self, delta: str) -> Iterator[Quote]:
        """Take `delta` in, and return the quotes of the markers that are whole now."""
        self.text += delta
        for marker in _MARKER.finditer(self.text, self._unread_from):
            yield from self._quotes_of(marker)
            self._marker_end = self._unread_from = marker.end()
        opened = max(self.text.rfind("[", self._unread_from), self.text.rfind("【", self._unread_from))
        is_open = opened >= 0 and len(self.text) - opened < _MARKER_CHARS_MAX
        self._unread_from = opened if is_open else len(self.text)

    def _quotes_of(self, marker: re.Match[str]) -> Iterator[Quote]:
        between = self.text[self._marker_end : marker.start()]
        if self._marker_end == 0 or not _BETWEEN_MARKERS.fullmatch(between):
            self._claim = self._claim_before(marker.start())
        claim = content_words(self._claim)
        answer_index = len(self.text[: marker.start()].rstrip())
        for number in dict.fromkeys(int(digits) for digits in _NUMBER.findall(marker.group(1))):
            span = self._best_span(number, claim)
            if span is None:
                continue
            quote = Quote(number, span.start_char, span.end_char, answer_index)
            if quote not in self._given:
                self._given.add(quote)
                yield quote

    def _claim_before(self, end: int) -> str:
        """Return the sentence before `end`, back to the marker before it where that leaves enough to go by."""
        since_marker = _last_sentence(self.text[max(self._marker_end, end - CLAIM_CHARS_MAX) : end])
        if len(content_words(since_marker)) >= CLAIM_WORDS_MIN:
            return since_marker
        return _last_sentence(_MARKER.sub("", self.text[max(0, end - CLAIM_CHARS_MAX) : end]))

    def _best_span(self, number: int, claim: Sequence[Word]) -> "_Span | None":
        if number not in self.passages or not claim:
            return None
        if number not in self._spans:
            self._spans[number] = _spans(self.passages[number].text)
        weights: dict[str, float] = {}
        for word in claim:
            weights[word.key] = max(weights.get(word.key, 0.0), _WEIGHTS[word.kind])
        figures = {word.key for word in claim if word.kind == "number"}
        best, best_support = None, 0.0
        for span in self._spans[number]:
            support = span.support(weights)
            # A sentence about the same thing with other figures contradicts the claim rather than supports it.
            agrees = not figures or figures & span.keys
            if agrees and support >= SUPPORT_MIN and support > best_support:
                best, best_support = span, support
        return best


@dataclass(frozen=True, slots=True)
class _Span:
    """One or two neighbouring sentences of a passage, and their words."""

    start_char: int
    end_char: int
    keys: frozenset[str]
    sentences: int

    def support(self, weights: Mapping[str, float]) -> float:
        """Return the weighted share of a claim's words that stand here, less for a span that is long without need."""
        shared = sum(weight for key, weight in weights.items() if key in self.keys)
        precision = sum(1 for key in weights if key in self.keys) / len(self.keys)
        # Of two sentences that support a claim alike, the one that says little else is the better quote.
        return shared / sum(weights.values()) + 0.05 * precision - PAIR_GAIN_MIN * (self.sentences - 1)


def _spans(text: str) -> Sequence[_Span]:
    quotable = [(unit, _keys(text, unit)) for unit in split_units(text) if unit.kind != "heading"]
    quotable = [(unit, keys) for unit, keys in quotable if keys]
    alone = [_Span(unit.start_char, unit.end_char, keys, 1) for unit, keys in quotable]
    pairs = [
        _Span(first.start_char, second.end_char, keys | more, 2)
        for (first, keys), (second, more) in pairwise(quotable)
        if first.kind == second.kind == "sentence"
    ]
    return [*alone, *pairs]


def _keys(text: str, unit: Unit) -> frozenset[str]:
    return frozenset(word.key for word in content_words(text[unit.start_char : unit.end_char]))


def _last_sentence(text: str) -> str:
    units = split_units(text)
    return text[units[-1].start_char : units[-1].end_char] if units else ""
