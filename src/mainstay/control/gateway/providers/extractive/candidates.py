"""The sentences that may answer a question: found by its words, few enough to be embedded while somebody waits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mainstay.control.gateway.models import Passage
from mainstay.platform.text import Unit, content_words, split_units, without_words

# An embedding takes about 4 ms of CPU; these and the question stay below 120 ms.
CANDIDATES_MAX = 24
# A fragment of so few words says nothing by itself.
SHORT_WORDS_MAX = 3

# What a question names and counts decides whether a text is about the same thing: the manual of another product has
# all the other words.
_KIND_WEIGHTS = {"word": 1.0, "noun": 1.5, "name": 2.0, "number": 1.5}
_QUESTION_MARKS = ("?", "？")


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """The content words of a question: how much each weighs for a passage to be about it, and which are names."""

    text: str
    weights: dict[str, float]
    named: frozenset[str]

    @classmethod
    def of(cls, question: str) -> "QuestionWords":
        """Read `question`; a word that comes twice counts once, as the weightier."""
        weights: dict[str, float] = {}
        words = content_words(question)
        for word in words:
            weights[word.key] = max(weights.get(word.key, 0.0), _KIND_WEIGHTS[word.kind])
        return cls(question, weights, frozenset(word.key for word in words if word.kind in ("name", "number")))

    def share(self, keys: frozenset[str]) -> float:
        """Return which share of the question's words stands in `keys`, 0 to 1."""
        return len(keys & self.weights.keys()) / len(self.weights) if self.weights else 0.0

    def weighted_share(self, keys: frozenset[str]) -> float:
        """Return the same with each word at its weight."""
        total = sum(self.weights.values())
        return sum(weight for key, weight in self.weights.items() if key in keys) / total if total else 0.0

    def missing_names(self, keys: frozenset[str]) -> float:
        """Return which weighted share of the question's names and numbers is not in `keys`; 0 where it has none."""
        total = sum(self.weights[key] for key in self.named)
        return sum(self.weights[key] for key in self.named - keys) / total if total else 0.0

    def told_by(self, keys: frozenset[str]) -> str:
        """Return the question without its words that are not in `keys`; empty where none is left."""
        missing = self.weights.keys() - keys
        if len(missing) == len(self.weights):
            return ""
        return without_words(self.text, missing) if missing else self.text


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be quoted, with what its words say about it.

    `rank` is the passage's, from 0; `told_keys` are the words that the question does not have; `passage_keys` are those
    of the passage, its title and its headings.
    """

    passage: Passage
    unit: Unit
    text: str
    rank: int
    told_keys: frozenset[str]
    passage_keys: frozenset[str]
    sentence_coverage: float
    context_coverage: float
    passage_coverage: float
    is_short: bool

    @property
    def promise(self) -> float:
        """How likely it answers, by its words alone: decides which sentences are embedded."""
        return self.sentence_coverage + 0.5 * self.context_coverage + 0.5 * self.passage_coverage - 0.03 * self.rank


def find_candidates(words: QuestionWords, passages: Sequence[Passage]) -> list[Candidate]:
    """Return the CANDIDATES_MAX most promising sentences of `passages`, each text once, the most promising first."""
    found: dict[str, Candidate] = {}
    for rank, passage in enumerate(passages):
        for candidate in _of_passage(words, passage, rank):
            found.setdefault(candidate.text.casefold(), candidate)
    return sorted(found.values(), key=lambda candidate: -candidate.promise)[:CANDIDATES_MAX]


def _of_passage(words: QuestionWords, passage: Passage, rank: int) -> Iterator[Candidate]:
    about = _keys(" ".join((passage.title, *passage.heading_path)))
    passage_keys = about | _keys(passage.text)
    heading = before = frozenset[str]()
    for unit in split_units(passage.text):
        text = " ".join(passage.text[unit.start_char : unit.end_char].split())
        keys = _keys(text)
        # A question in a document, as in a list of frequent ones, is the heading of what follows it.
        if unit.kind == "heading" or text.endswith(_QUESTION_MARKS):
            heading, before = keys, frozenset[str]()
            continue
        # What only repeats the question is no answer to it.
        told_keys = keys - words.weights.keys()
        if told_keys:
            yield Candidate(
                passage=passage,
                unit=unit,
                text=text,
                rank=rank,
                told_keys=told_keys,
                passage_keys=passage_keys,
                sentence_coverage=words.share(keys),
                context_coverage=words.weighted_share(keys | about | heading | before),
                passage_coverage=words.weighted_share(passage_keys),
                is_short=len(keys) <= SHORT_WORDS_MAX,
            )
        before = keys


def _keys(text: str) -> frozenset[str]:
    return frozenset(word.key for word in content_words(text))
