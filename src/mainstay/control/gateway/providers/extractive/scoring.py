"""Two questions about sentences, each put to a logistic regression over few features that can be explained.

Which sentence answers best? And is that one about what was asked at all? They are asked apart because they differ: the
first weighs every sentence against its neighbours; the second asks what of the question its whole passage lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.extractive.candidates import Candidate, QuestionWords
from mainstay.control.gateway.providers.extractive.question import supplies, wanted_by
from mainstay.control.gateway.providers.extractive.weights import (
    RANKING_BIAS,
    RANKING_WEIGHTS,
    SUPPORT_BIAS,
    SUPPORT_WEIGHTS,
)

# In the order of the columns:
RANKING_FEATURES = (
    "similarity",  # cosine of question and sentence
    "passage_similarity",  # the highest such cosine in its passage: is the neighbourhood about this?
    "sentence_coverage",  # share of the question's words in the sentence
    "context_coverage",  # weighted share in sentence, heading, title and the sentence before
    "passage_coverage",  # weighted share in the passage with its title: is everything asked about even mentioned?
    "supplies_wanted",  # 1 a date, number or name where one is asked for, -1 without, 0 when nothing special is asked
    "rank",  # 1, 1/2, 1/3 ... by the passage's place in retrieval
    "is_short",  # a fragment of a few words
)
SUPPORT_FEATURES = (
    "ranking_log_odds",  # what the first regression says of the sentence
    "meaning_told",  # cosine of the question with itself less the words that the passage lacks: how much goes missing?
    "missing_names",  # weighted share of the question's names and numbers that the passage lacks
)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """A question beside the sentences that may answer it.

    `question_vector` has shape (dimensions,), `vectors` (candidates, dimensions); all have length 1. `input_tokens`
    were embedded for them.
    """

    words: QuestionWords
    candidates: Sequence[Candidate]
    question_vector: Vectors
    vectors: Vectors
    input_tokens: int


def ranking_features(reading: Reading) -> Numbers:
    """Return one row per candidate with the columns of RANKING_FEATURES."""
    question = reading.words.text
    similarities = reading.vectors @ reading.question_vector
    best: dict[int, float] = {}
    for candidate, similarity in zip(reading.candidates, similarities, strict=True):
        best[candidate.rank] = max(best.get(candidate.rank, -1.0), float(similarity))
    wanted = wanted_by(question)
    rows = [
        (
            float(similarity),
            best[candidate.rank],
            candidate.sentence_coverage,
            candidate.context_coverage,
            candidate.passage_coverage,
            supplies(candidate.text, wanted, question),
            1.0 / (1 + candidate.rank),
            candidate.is_short,
        )
        for candidate, similarity in zip(reading.candidates, similarities, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(rows), len(RANKING_FEATURES))


def ranking_log_odds(rows: Numbers) -> Numbers:
    """Return the log-odds that each sentence answers, by its own features; shape (candidates,)."""
    return rows @ np.array(RANKING_WEIGHTS) + RANKING_BIAS


def support_features(reading: Reading, best: int, log_odds: float, told_vector: Vectors | None) -> Numbers:
    """Return the row of SUPPORT_FEATURES of the sentence `best`, whose ranking gave `log_odds`.

    `told_vector` is that of the question without the words that the passage lacks; None where nothing would be left.
    """
    meaning_told = 0.0 if told_vector is None else float(told_vector @ reading.question_vector)
    missing_names = reading.words.missing_names(reading.candidates[best].passage_keys)
    return np.array([log_odds, meaning_told, missing_names])


def support_log_odds(row: Numbers) -> float:
    """Return the log-odds that a sentence answers, by all that is known."""
    return float(row @ np.array(SUPPORT_WEIGHTS) + SUPPORT_BIAS)
