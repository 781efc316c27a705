"""nDCG@10, as BEIR computes it: linear gain, logarithmic discount."""

import math
from collections.abc import Mapping, Sequence

DEPTH = 10


def ndcg(ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """Return the nDCG of the first DEPTH of `ranked`, 0 to 1; documents without a grade gain nothing."""
    gained = sum(grades.get(document_id, 0) / math.log2(rank + 1) for rank, document_id in enumerate(ranked[:DEPTH], 1))
    best = sorted(grades.values(), reverse=True)[:DEPTH]
    ideal = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))
    return gained / ideal if ideal else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the average, or NaN of nothing."""
    return sum(values) / len(values) if values else math.nan
