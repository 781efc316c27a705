"""Questions that were answerable until a name or a number in them was exchanged for a strange one.

This is how people ask for what is not there: about the right kind of thing, in the right words, but of another product
or another year. The right passages are found, or nearly, and must not be quoted.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from bench.answers.sets import AnswerSet, JudgedQuestion
from mainstay.platform.text import content_words

Exchanged = Literal["name", "number"]

# Capitalised words that do not begin the question; a German noun is one too.
_NAMES = re.compile(r"(?<=[\w,’'\"“„(] )[A-ZÄÖÜÉ][A-Za-zÀ-ÿ’'-]*(?: [A-ZÄÖÜÉ][A-Za-zÀ-ÿ-]*)*")
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_PATTERNS: Mapping[Exchanged, re.Pattern[str]] = {"name": _NAMES, "number": _NUMBERS}
_TRIES = 20


@dataclass(frozen=True)
class Strange:
    """What questions of a set name, count and speak of, by kind."""

    pools: Mapping[Exchanged, tuple[str, ...]]

    @classmethod
    def of(cls, questions: Iterable[JudgedQuestion]) -> "Strange":
        """Collect the pools from `questions`."""
        texts = [question.text for question in questions]
        return cls(
            {
                kind: tuple(dict.fromkeys(found for text in texts for found in pattern.findall(text)))
                for kind, pattern in _PATTERNS.items()
            }
        )


def altered(question: JudgedQuestion, answer_set: AnswerSet, strange: Strange) -> JudgedQuestion | None:
    """Return `question` with one part exchanged for what its documents do not have; None where it has no such part."""
    # The same for every run, whatever else is drawn.
    draw = random.Random(sha256(f"alter {question.id}".encode()).digest())  # noqa: S311
    there = {word.key for name in question.document_ids for word in content_words(answer_set.documents[name].text)} | {
        word.key for word in content_words(question.text)
    }
    kinds = [kind for kind, pattern in _PATTERNS.items() if pattern.search(question.text)]
    draw.shuffle(kinds)
    for kind in kinds:
        parts = [part for part in _PATTERNS[kind].finditer(question.text) if content_words(part.group())]
        for _ in range(_TRIES if parts else 0):
            part, instead = draw.choice(parts), draw.choice(strange.pools[kind])
            words = content_words(instead)
            if words and not there & {word.key for word in words}:
                text = question.text[: part.start()] + instead + question.text[part.end() :]
                return replace(question, id=f"{question.id}-altered", text=text, answers=(), document_ids=frozenset())
    return None
