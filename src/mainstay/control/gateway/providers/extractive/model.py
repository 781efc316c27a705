"""A chat model without a language model: its answers are verbatim sentences, or the admission that there are none."""

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from mainstay.control.gateway.models import ChatEvent, ChatRequest, EmbeddingModel, Finished, Passage, Quote, TextDelta
from mainstay.control.gateway.providers.extractive.candidates import Candidate, QuestionWords, find_candidates
from mainstay.control.gateway.providers.extractive.scoring import (
    Numbers,
    Reading,
    ranking_features,
    ranking_log_odds,
    support_features,
    support_log_odds,
)
from mainstay.control.gateway.providers.extractive.weights import SUPPORT_MIN

QUOTES_MAX = 3
# A further sentence is quoted while its odds are at least half of the best one's.
FURTHER_LOG_ODDS_MAX = math.log(2)
# And only where at least this share of what it tells is new: the same in other words is read for nothing.
NEW_WORDS_MIN = 0.5
QUESTION_CHARS_MAX = 2_000
CHARS_PER_TOKEN = 4
REFUSAL = "I don't know: nothing in the documents answers this."


@dataclass(frozen=True, slots=True)
class Judgement:
    """The sentences that may answer, the best first, and the log-odds that the best one does.

    `log_odds` of the candidates are comparable among themselves only; `input_tokens` were embedded for all this.
    """

    candidates: Sequence[Candidate]
    log_odds: Sequence[float]
    support: float
    input_tokens: int


class Extractive:
    """Quotes the one to three sentences that answer, each with its citation, or says that it does not know."""

    name = "mainstay-extractive-1"
    provider = "local"
    follows_instructions = False

    def __init__(self, embedder: EmbeddingModel) -> None:
        self._embedder = embedder

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield the quoted sentences, the citation of each before its marker, and the end of the answer."""
        judgement = await self.judge(request.question, request.passages)
        quotes = quotable(judgement)
        if not quotes:
            yield TextDelta(REFUSAL)
            yield Finished("refused", judgement.input_tokens, _tokens(len(REFUSAL)), estimated=True)
            return
        length = 0
        for position, candidate in enumerate(quotes):
            passage, unit = candidate.passage, candidate.unit
            text = candidate.text if position == 0 else f"\n{candidate.text}"
            if position > 0 and _tokens(length + len(text)) > request.output_tokens_max:
                yield Finished("length", judgement.input_tokens, _tokens(length), estimated=True)
                return
            yield TextDelta(text)
            yield Quote(passage.number, unit.start_char, unit.end_char, answer_index=length + len(text))
            marker = f" [{passage.number}]"
            yield TextDelta(marker)
            length += len(text) + len(marker)
        yield Finished("stop", judgement.input_tokens, _tokens(length), estimated=True)

    async def judge(self, question: str, passages: Sequence[Passage]) -> Judgement:
        """Return what may answer `question`, and how sure it is that anything does."""
        reading = await self.read(question, passages)
        if reading is None:
            return Judgement((), (), -math.inf, 0)
        log_odds = ranking_log_odds(ranking_features(reading))
        order = sorted(range(len(log_odds)), key=lambda index: -log_odds[index])
        row, more_tokens = await self.support_row(reading, order[0], float(log_odds[order[0]]))
        return Judgement(
            candidates=[reading.candidates[index] for index in order],
            log_odds=[float(log_odds[index]) for index in order],
            support=support_log_odds(row),
            input_tokens=reading.input_tokens + more_tokens,
        )

    async def read(self, question: str, passages: Sequence[Passage]) -> Reading | None:
        """Return the sentences that may answer with their vectors; None where there is nothing to compare."""
        # The end of a long question counts: what is asked last is asked.
        words = QuestionWords.of(question.strip()[-QUESTION_CHARS_MAX:])
        candidates = find_candidates(words, passages) if words.weights else []
        if not candidates:
            return None
        made = await self._embedder.embed([words.text, *(candidate.text for candidate in candidates)])
        return Reading(words, candidates, made.vectors[0], made.vectors[1:], made.input_tokens)

    async def support_row(self, reading: Reading, best: int, log_odds: float) -> tuple[Numbers, int]:
        """Return the features by which the sentence `best` answers or not, and how many tokens were embedded."""
        told = reading.words.told_by(reading.candidates[best].passage_keys)
        if told == reading.words.text:
            return support_features(reading, best, log_odds, reading.question_vector), 0
        if not told:
            return support_features(reading, best, log_odds, None), 0
        made = await self._embedder.embed([told])
        return support_features(reading, best, log_odds, made.vectors[0]), made.input_tokens


def quotable(judgement: Judgement) -> list[Candidate]:
    """Return what is sure enough to be quoted, in the order in which it is read: passage by passage, best first."""
    if judgement.support < SUPPORT_MIN:
        return []
    floor = judgement.log_odds[0] - FURTHER_LOG_ODDS_MAX
    kept: list[Candidate] = []
    told = frozenset[str]()
    for candidate, log_odds in zip(judgement.candidates[:QUOTES_MAX], judgement.log_odds, strict=False):
        new = candidate.told_keys - told
        if log_odds >= floor and len(new) >= NEW_WORDS_MIN * len(candidate.told_keys):
            kept.append(candidate)
            told |= new
    order = list(dict.fromkeys(candidate.rank for candidate in kept))
    return sorted(kept, key=lambda candidate: (order.index(candidate.rank), candidate.unit.start_char))


def _tokens(characters: int) -> int:
    return -(-characters // CHARS_PER_TOKEN)
