"""`python -m bench.answers.fit`: make the weights of the built-in model from the half of the questions to fit on.

A sentence counts as right when it has the expected answer and stands in a document that is known to hold it. Two
logistic regressions by Newton's method: over all sentences, which is right; and over the best sentence of each case,
whether that is right. Each set and situation weighs the same, however many questions it has. Nothing is quoted below
the log-odds at which, on average over the sets, as large a share is refused of what would have been right as is
answered of what nothing answers though the passages are about the same things.
"""

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import structlog

from bench.answers.cases import NEAR_MISSES
from bench.answers.embedding import Remembering
from bench.answers.judging import is_right
from bench.answers.run import REPOSITORY, RESULTS, all_cases, data_folder
from mainstay.control.gateway.providers.extractive import Extractive
from mainstay.control.gateway.providers.extractive.scoring import (
    RANKING_FEATURES,
    SUPPORT_FEATURES,
    Numbers,
    Reading,
    ranking_features,
)
from mainstay.control.gateway.providers.minilm import MiniLm

WEIGHTS_FILE = REPOSITORY / "src/mainstay/control/gateway/providers/extractive/weights.py"
RIDGE = 1e-3
NEWTON_STEPS = 30
# What cannot be answered weighs a little more than what can; what is about other things altogether is easy.
SITUATION_WEIGHTS = {"answerable": 1.0, "removed": 0.4, "erased": 0.4, "altered": 0.4, "foreign": 0.3}
# A set with fewer right sentences says nothing about when one is supported: the filings ask for whole comparisons.
RIGHT_MIN = 10


@dataclass(frozen=True)
class Example:
    """Sentences of one case: their features, and which of them are right."""

    set_name: str
    situation: str
    rows: Numbers
    right: Numbers


@dataclass(frozen=True)
class Regression:
    """The weights of a regression's columns, and its bias."""

    weights: Numbers
    bias: float

    def log_odds(self, rows: Numbers) -> Numbers:
        """Return those of each row."""
        return rows @ self.weights + self.bias


def main() -> int:
    """Fit, print, and write the file of weights."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    parser = argparse.ArgumentParser(prog="python -m bench.answers.fit")
    parser.add_argument("--questions", type=int, default=300, help="how many of each set, at most")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    data = data_folder()
    if data is None:
        print("NOT RUN: there is no data folder.", file=sys.stderr)
        return 2
    written = asyncio.run(fit(data, options.questions))
    print(written)
    if not options.dry:
        WEIGHTS_FILE.write_text(written, "utf-8")
    return 0


async def fit(data: Path, limit: int) -> str:
    """Return the file of weights that the cases of the fitting half make."""
    embedder = Remembering(MiniLm(RESULTS / "models"), RESULTS / "vectors")
    model = Extractive(embedder)
    read: list[tuple[Reading, Example]] = []
    async for case in all_cases(data, embedder, held_out=False, limit=limit):
        reading = await model.read(case.question.text, case.request.passages)
        if reading is not None:
            answerable = case.situation == "answerable"
            right = np.array([float(answerable and is_right(case, [one])) for one in reading.candidates])
            read.append((reading, Example(case.set_name, case.situation, ranking_features(reading), right)))
    ranking = regress([example for _, example in read])
    chosen: list[Example] = []
    for reading, example in read:
        log_odds = ranking.log_odds(example.rows)
        best = int(log_odds.argmax())
        row, _ = await model.support_row(reading, best, float(log_odds[best]))
        chosen.append(replace(example, rows=row[None, :], right=example.right[[best]]))
    rights = Counter(one.set_name for one in chosen if one.right.any())
    telling = [one for one in chosen if rights[one.set_name] >= RIGHT_MIN]
    support = regress(telling)
    print(f"{len(chosen)} cases; the best sentence is right in {dict(rights)}", file=sys.stderr)
    return render(ranking, support, balance(telling, support))


def regress(examples: Sequence[Example]) -> Regression:
    """Return the regression of what is right on the rows of `examples`."""
    counts = Counter((one.set_name, one.situation) for one in examples)
    rows = np.concatenate([one.rows for one in examples])
    right = np.concatenate([one.right for one in examples])
    share = np.concatenate(
        [
            np.full(len(one.rows), SITUATION_WEIGHTS[one.situation] / counts[one.set_name, one.situation])
            for one in examples
        ]
    )
    share /= share.sum()
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    scaled = np.column_stack([(rows - mean) / deviation, np.ones(len(rows))])
    ridge = RIDGE * np.append(np.ones(rows.shape[1]), 0.0)
    solution = np.zeros(rows.shape[1] + 1)
    for _ in range(NEWTON_STEPS):
        guess = 1 / (1 + np.exp(-scaled @ solution))
        gradient = scaled.T @ (share * (guess - right)) + ridge * solution
        curvature = (scaled * (share * guess * (1 - guess))[:, None]).T @ scaled + np.diag(ridge + 1e-9)
        solution -= np.linalg.solve(curvature, gradient)
    weights = solution[:-1] / deviation
    return Regression(weights, float(solution[-1] - weights @ mean))


def balance(examples: Sequence[Example], support: Regression) -> float:
    """Return the log-odds at which both rates of error are the same on average over sets and situations."""
    supported: dict[str, list[float]] = defaultdict(list)
    silent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in examples:
        log_odds = float(support.log_odds(one.rows)[0])
        if one.right.any():
            supported[one.set_name].append(log_odds)
        elif one.situation in NEAR_MISSES:
            silent[one.set_name, one.situation].append(log_odds)

    def gap(least: float) -> float:
        refused = np.mean([np.mean(np.array(some) < least) for some in supported.values()])
        answered = np.mean([np.mean(np.array(some) >= least) for some in silent.values()])
        return float(abs(refused - answered))

    return round(float(min(np.arange(-6.0, 4.0, 0.01), key=gap)), 2)


def render(ranking: Regression, support: Regression, support_min: float) -> str:
    """Return the file of weights."""
    return f'''"""Made by `python -m bench.answers.fit` from one half of the judged questions; not edited by hand.

The similarities are those of {MiniLm.name}; with another embedding model they must be made again.
"""

RANKING_WEIGHTS = (
{_columns(ranking, RANKING_FEATURES)}
)
RANKING_BIAS = {ranking.bias:.3f}
SUPPORT_WEIGHTS = (
{_columns(support, SUPPORT_FEATURES)}
)
SUPPORT_BIAS = {support.bias:.3f}
# Below these log-odds of the best sentence nothing is quoted.
SUPPORT_MIN = {support_min:.2f}
'''


def _columns(regression: Regression, names: Sequence[str]) -> str:
    return "\n".join(f"    {weight:.3f},  # {name}" for weight, name in zip(regression.weights, names, strict=True))


if __name__ == "__main__":
    sys.exit(main())
