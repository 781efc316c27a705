"""`python -m bench.answers.fit`: make the weights of the built-in model from the half of the questions to fit on.

A logistic regression by Newton's method: a sentence counts as right when it has the expected answer and stands in a
document that is known to hold it. Each set and situation weighs the same, however many questions it has. The
threshold is where, on average over the sets, as large a share is refused of what a candidate sentence would have
answered as is answered of what nothing can answer, though the passages are about the same things.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from bench.answers.cases import Case
from bench.answers.embedding import Remembering
from bench.answers.judging import is_right
from bench.answers.run import REPOSITORY, RESULTS, all_cases, data_folder
from mainstay.control.gateway.models import EmbeddingModel
from mainstay.control.gateway.providers.extractive.candidates import find_candidates
from mainstay.control.gateway.providers.extractive.scoring import FEATURES, Matrix, features
from mainstay.control.gateway.providers.minilm import MiniLm

WEIGHTS_FILE = REPOSITORY / "src/mainstay/control/gateway/providers/extractive/weights.py"
RIDGE = 1e-3
NEWTON_STEPS = 30
# What is about other things altogether is easy; half of its weight is enough.
SITUATION_WEIGHTS = {"answerable": 1.0, "removed": 0.5, "altered": 0.5, "foreign": 0.5}


@dataclass(frozen=True)
class Example:
    """The sentences of one case: their features, and which of them are right."""

    set_name: str
    situation: str
    rows: Matrix
    right: Matrix


def main() -> int:
    """Fit, print, and write the file of weights."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    parser = argparse.ArgumentParser(prog="python -m bench.answers.fit")
    parser.add_argument("--questions", type=int, default=600, help="how many of each set, at most")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    if data_folder() is None:
        print("NOT RUN: there is no data folder.", file=sys.stderr)
        return 2
    examples = asyncio.run(collect(options.questions))
    weights, bias = regress(examples)
    threshold = balance(examples, weights, bias)
    for name, weight in zip(FEATURES, weights, strict=True):
        print(f"{name:<22}{weight:>8.3f}")
    print(f"{'bias':<22}{bias:>8.3f}\n{'threshold':<22}{threshold:>8.3f}   from {len(examples)} cases")
    if not options.dry:
        WEIGHTS_FILE.write_text(render(weights, bias, threshold), "utf-8")
    return 0


async def collect(limit: int) -> list[Example]:
    """Return the sentences of all cases of the fitting half."""
    data = data_folder()
    if data is None:
        return []
    embedder = Remembering(MiniLm(RESULTS / "models"), RESULTS / "vectors")
    cases = all_cases(data, embedder, held_out=False, limit=limit)
    return [example async for case in cases if (example := await example_of(case, embedder))]


async def example_of(case: Case, embedder: EmbeddingModel) -> Example | None:
    """Return the sentences of one case, or None where there are none to judge."""
    candidates = find_candidates(case.question.text, case.request.passages)
    if not candidates:
        return None
    made = await embedder.embed([case.question.text, *(one.text for one in candidates)])
    rows = features(case.question.text, candidates, made.vectors[0], made.vectors[1:])
    answerable = case.situation == "answerable"
    right = np.array([float(answerable and is_right(case, [one])) for one in candidates])
    return Example(case.set_name, case.situation, rows, right)


def regress(examples: Sequence[Example]) -> tuple[Matrix, float]:
    """Return the weights of FEATURES and the bias."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for one in examples:
        counts[one.set_name, one.situation] += 1
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
    ridge = RIDGE * np.append(np.ones(len(FEATURES)), 0.0)
    solution = np.zeros(len(FEATURES) + 1)
    for _ in range(NEWTON_STEPS):
        guess = 1 / (1 + np.exp(-scaled @ solution))
        gradient = scaled.T @ (share * (guess - right)) + ridge * solution
        curvature = (scaled * (share * guess * (1 - guess))[:, None]).T @ scaled + np.diag(ridge + 1e-9)
        solution -= np.linalg.solve(curvature, gradient)
    weights = solution[:-1] / deviation
    return weights, float(solution[-1] - weights @ mean)


def balance(examples: Sequence[Example], weights: Matrix, bias: float) -> float:
    """Return the threshold at which both rates of error are the same on average over the sets."""
    refusable: dict[str, list[float]] = defaultdict(list)
    silent: dict[str, list[float]] = defaultdict(list)
    for one in examples:
        odds = one.rows @ weights + bias
        if one.situation == "answerable" and one.right.any():
            refusable[one.set_name].append(float(odds.max()))
        elif one.situation == "removed":
            silent[one.set_name].append(float(odds.max()))

    def gap(threshold: float) -> float:
        refused = np.mean([np.mean(np.array(best) < threshold) for best in refusable.values()])
        answered = np.mean([np.mean(np.array(best) >= threshold) for best in silent.values()])
        return float(abs(refused - answered))

    return round(float(min(np.arange(-6.0, 4.0, 0.01), key=gap)), 2)


def render(weights: Matrix, bias: float, threshold: float) -> str:
    """Return the file of weights."""
    columns = "\n".join(f"    {weight:.3f},  # {name}" for name, weight in zip(FEATURES, weights, strict=True))
    return f'''"""Made by `python -m bench.answers.fit` from one half of the judged questions; not edited by hand.

The similarities are those of {MiniLm.name}; with another embedding model they must be made again.
"""

WEIGHTS = (
{columns}
)
BIAS = {bias:.3f}
# Below these log-odds nothing is quoted.
THRESHOLD = {threshold:.2f}
'''


if __name__ == "__main__":
    sys.exit(main())
