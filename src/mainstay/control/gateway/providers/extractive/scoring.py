"""How sure it is that a sentence answers a question: a logistic regression over few features that can be explained."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.extractive.candidates import Candidate
from mainstay.control.gateway.providers.extractive.question import supplies, wanted_by
from mainstay.control.gateway.providers.extractive.weights import BIAS, WEIGHTS

# In the order of the columns:
FEATURES = (
    "similarity",  # cosine of question and sentence
    "passage_similarity",  # the highest such cosine in its passage: is the neighbourhood about this?
    "sentence_coverage",  # share of the question's words in the sentence
    "context_coverage",  # weighted share in sentence, heading, title and the sentence before
    "passage_coverage",  # weighted share in the passage with its title: is everything asked about even mentioned?
    "supplies_wanted",  # 1 a date, number or name where one is asked for, -1 without, 0 when nothing special is asked
    "rank",  # 1, 1/2, 1/3 ... by the passage's place in retrieval
    "is_short",  # a fragment of a few words
)

Matrix = NDArray[np.float64]


def features(question: str, candidates: Sequence[Candidate], question_vector: Vectors, vectors: Vectors) -> Matrix:
    """Return one row per candidate with the columns of FEATURES.

    `question_vector` has shape (dimensions,), `vectors` (candidates, dimensions); both have length 1.
    """
    similarities = vectors @ question_vector
    best: dict[int, float] = {}
    for candidate, similarity in zip(candidates, similarities, strict=True):
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
        for candidate, similarity in zip(candidates, similarities, strict=True)
    ]
    return np.array(rows, np.float64).reshape(len(candidates), len(FEATURES))


def log_odds(rows: Matrix) -> Matrix:
    """Return the log-odds that each sentence answers, shape (candidates,)."""
    return rows @ np.array(WEIGHTS) + BIAS
