"""A chat model without a language model: its answers are verbatim sentences, or the admission that there are none."""

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from mainstay.control.gateway.models import ChatEvent, ChatRequest, EmbeddingModel, Finished, Quote, TextDelta
from mainstay.control.gateway.providers.extractive.candidates import Candidate, find_candidates
from mainstay.control.gateway.providers.extractive.scoring import features, log_odds
from mainstay.control.gateway.providers.extractive.weights import THRESHOLD

QUOTES_MAX = 3
# A further sentence is quoted while its odds are at least half of the best one's.
FURTHER_LOG_ODDS_MAX = math.log(2)
QUESTION_CHARS_MAX = 2_000
CHARS_PER_TOKEN = 4
REFUSAL = "I don't know: nothing in the documents answers this."


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence and the log-odds that it answers the question."""

    candidate: Candidate
    log_odds: float


class Extractive:
    """Quotes the one to three sentences that answer, each with its citation, or says that it does not know."""

    name = "mainstay-extractive-1"
    provider = "local"
    follows_instructions = False

    def __init__(self, embedder: EmbeddingModel) -> None:
        self._embedder = embedder

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield the quoted sentences, the citation of each before its marker, and the end of the answer."""
        judged, input_tokens = await self.judge(request)
        kept = quotable(judged)
        if not kept:
            yield TextDelta(REFUSAL)
            yield Finished("refused", input_tokens, _tokens(len(REFUSAL)), estimated=True)
            return
        length = 0
        for position, candidate in enumerate(kept):
            passage, unit = candidate.passage, candidate.unit
            text = candidate.text if position == 0 else f"\n{candidate.text}"
            if position > 0 and _tokens(length + len(text)) > request.output_tokens_max:
                yield Finished("length", input_tokens, _tokens(length), estimated=True)
                return
            yield TextDelta(text)
            yield Quote(passage.number, unit.start_char, unit.end_char, answer_index=length + len(text))
            marker = f" [{passage.number}]"
            yield TextDelta(marker)
            length += len(text) + len(marker)
        yield Finished("stop", input_tokens, _tokens(length), estimated=True)

    async def judge(self, request: ChatRequest) -> tuple[list[Judged], int]:
        """Return the sentences that may answer, the surest first, and the tokens that were embedded for it."""
        # The end of a long question counts: what is asked last is asked.
        question = request.question.strip()[-QUESTION_CHARS_MAX:]
        candidates = find_candidates(question, request.passages) if question else []
        if not candidates:
            return [], 0
        made = await self._embedder.embed([question, *(candidate.text for candidate in candidates)])
        odds = log_odds(features(question, candidates, made.vectors[0], made.vectors[1:]))
        judged = [Judged(candidate, float(value)) for candidate, value in zip(candidates, odds, strict=True)]
        return sorted(judged, key=lambda one: -one.log_odds), made.input_tokens


def quotable(judged: Sequence[Judged]) -> list[Candidate]:
    """Return what is sure enough to be quoted, in the order in which it is read: passage by passage, best first."""
    if not judged or judged[0].log_odds < THRESHOLD:
        return []
    floor = max(THRESHOLD, judged[0].log_odds - FURTHER_LOG_ODDS_MAX)
    kept = [one.candidate for one in judged[:QUOTES_MAX] if one.log_odds >= floor]
    order = list(dict.fromkeys(candidate.rank for candidate in kept))
    return sorted(kept, key=lambda candidate: (order.index(candidate.rank), candidate.unit.start_char))


def _tokens(characters: int) -> int:
    return -(-characters // CHARS_PER_TOKEN)
