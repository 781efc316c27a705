"""BM25 as its authors and Lucene write it, over lists of words: what the SQL must equal."""

import math
from collections.abc import Sequence

K1, B = 1.2, 0.75


def bm25(documents: Sequence[str], query: str) -> list[float]:
    """Return the score of each document, where every word is its own term and each of the query counts."""
    bodies = [document.split() for document in documents]
    mean = sum(map(len, bodies)) / max(1, len(bodies))
    scores: list[float] = []
    for body in bodies:
        score = 0.0
        for word in query.split():
            frequency = body.count(word)
            if frequency:
                df = sum(word in other for other in bodies)
                idf = math.log(1 + (len(bodies) - df + 0.5) / (df + 0.5))
                score += idf * frequency / (frequency + K1 * (1 - B + B * len(body) / mean))
        scores.append(score)
    return scores
