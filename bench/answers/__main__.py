"""`python -m bench.answers [--all] [SET...]`: see `make bench-answers`.

Prints how the built-in model answers the half of the judged questions on which nothing was fitted. The passages are
those of the product's own search, chunks and embedding model. Exits 1 when nothing was tried, 2 when there is no data.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from bench.answers.cases import SITUATIONS
from bench.answers.embedding import Remembering
from bench.answers.judging import OUTCOMES, Result, outcome_of
from bench.answers.run import DATA, RESULTS, all_cases, data_folder
from mainstay.control.gateway.providers.extractive import Extractive
from mainstay.control.gateway.providers.extractive.model import quotable
from mainstay.control.gateway.providers.extractive.weights import SUPPORT_MIN
from mainstay.control.gateway.providers.minilm import MiniLm

# Enough for a rate within 4 points; --all takes every question.
QUESTIONS_PER_SET = 150


def main() -> int:
    """Run the benchmark."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    parser = argparse.ArgumentParser(prog="python -m bench.answers")
    parser.add_argument("sets", nargs="*", help="names of sets; all without any")
    parser.add_argument("--show", action="store_true", help="print each question with what was answered")
    parser.add_argument("--all", action="store_true", help=f"every question, not {QUESTIONS_PER_SET} of each set")
    options = parser.parse_args()
    if data_folder() is None:
        print(f"NOT RUN: there is no data folder; set {DATA} to it.", file=sys.stderr)
        return 2
    results = asyncio.run(judge(options.sets, 1_000_000 if options.all else QUESTIONS_PER_SET, show=options.show))
    print(report(results))
    return 0 if results else 1


async def judge(names: Sequence[str], limit: int, *, show: bool) -> list[Result]:
    """Ask every case and return how its answer counts."""
    data = data_folder()
    if data is None:
        return []
    embedder = Remembering(MiniLm(RESULTS / "models"), RESULTS / "vectors")
    model = Extractive(embedder)
    results: list[Result] = []
    async for case in all_cases(data, embedder, held_out=True, limit=limit, names=names):
        judgement = await model.judge(case.request.question, case.request.passages)
        quoted = quotable(judgement)
        results.append(Result(case, outcome_of(case, quoted)))
        if show:
            nearest = judgement.candidates[0].text if judgement.candidates else ""
            said = " / ".join(one.text for one in quoted) or f"(refused; nearest: {nearest})"
            asked = f"{case.situation:<12}{judgement.support:5.2f}  {case.question.text}"
            print(f"{results[-1].outcome:<14}{asked}\n    {said}")
    return results


def report(results: Sequence[Result]) -> str:
    """Return the tables: per set and situation, and all together."""
    made_on = time.strftime("%Y-%m-%d")
    lines = [f"answers of {Extractive.name} on held-out questions, least support {SUPPORT_MIN:.2f} ({made_on})", ""]
    lines.append(f"{'set':<18}{'situation':<12}{'cases':>6}" + "".join(f"{outcome:>16}" for outcome in OUTCOMES))
    names = list(dict.fromkeys(result.case.set_name for result in results))
    for name in [*names, "together"]:
        for situation in SITUATIONS:
            some = [
                result
                for result in results
                if result.case.situation == situation and name in (result.case.set_name, "together")
            ]
            lines += [_row(name, situation, some)] if some else []
    answerable = [one for one in results if one.case.situation == "answerable"]
    silent = [one for one in results if one.case.situation != "answerable"]
    lines += [
        "",
        f"right answers {_rate(answerable, 'right answer'):.1%} of {len(answerable)} that can be answered,"
        f" wrong refusals {_rate(answerable, 'wrong refusal'):.1%};"
        f" right refusals {_rate(silent, 'right refusal'):.1%} of {len(silent)} that cannot",
        f"{len(results)} cases were tried",
    ]
    return "\n".join(lines)


def _row(name: str, situation: str, results: Sequence[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    cells = "".join(
        f"{counts[outcome]:>8} {counts[outcome] / len(results):>6.1%} " if counts[outcome] else f"{'-':>16}"
        for outcome in OUTCOMES
    )
    return f"{name:<18}{situation:<12}{len(results):>6}{cells}"


def _rate(results: Sequence[Result], outcome: str) -> float:
    return sum(result.outcome == outcome for result in results) / max(1, len(results))


if __name__ == "__main__":
    sys.exit(main())
