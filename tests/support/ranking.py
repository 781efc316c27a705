"""Whether two sets of measurements can be told apart: the area under the ROC curve, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True)
class Separation:
    """How well a threshold tells two sets apart: 0.5 not at all, 1 always, whichever of the two is the greater.

    `low` and `high` bound it with 95 % confidence, by bootstrap over the pairs.
    """

    auc: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"AUC {self.auc:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(first: np.ndarray, second: np.ndarray) -> float:
    """Return how often a value of `first` is greater than one of `second`, ties counting half (Mann and Whitney)."""
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, "left") + np.searchsorted(ordered, first, "right")
    return float(below.mean() / 2 / len(second))


def separation(first: Sequence[float], second: Sequence[float]) -> Separation:
    """Return how well `first` and `second` can be told apart."""
    one, other = np.asarray(first), np.asarray(second)
    toward = auc(one, other)
    flipped = toward < 0.5
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        sample = random.integers(0, len(one), len(one))
        drawn.append(auc(one[sample], other[sample]))
    low, high = np.percentile([1 - one if flipped else one for one in drawn], [2.5, 97.5])
    return Separation(max(toward, 1 - toward), float(low), float(high))
