"""The table of a run, and whether it meets the goals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.quality.measures import mean, ndcg
from bench.quality.sets import JudgedQuery, JudgedSet

LEXICAL_BELOW_MAX = 0.01
HYBRID_GAIN_MIN = 0.02
HYBRID_LOSS_MAX = 0.005

# By leg, then by query: the ids of the best documents.
Rankings = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Scores:
    """nDCG@10 of each leg on some queries of a set."""

    name: str
    queries: int
    bm25s: float
    lexical: float
    vector: float
    hybrid: float

    @property
    def gain(self) -> float:
        """By how much the hybrid is better than the better leg."""
        return self.hybrid - max(self.lexical, self.vector)


def score(judged: JudgedSet, rankings: Rankings, *, held_out: bool) -> Scores:
    """Return the scores of a set on the held-out queries, or on all."""
    queries = [query for query in judged.queries if query.held_out or not held_out]

    def leg(name: str) -> float:
        return mean([_ndcg(query, rankings[name]) for query in queries])

    return Scores(judged.name, len(queries), leg("bm25s"), leg("lexical"), leg("vector"), leg("hybrid"))


def _ndcg(query: JudgedQuery, ranking: Mapping[str, Sequence[str]]) -> float:
    return ndcg(ranking[query.id], query.grades)


def table(title: str, rows: Sequence[Scores]) -> str:
    """Return the scores as lines of text, with the mean over the sets below."""
    total = Scores(
        "mean",
        sum(row.queries for row in rows),
        mean([row.bm25s for row in rows]),
        mean([row.lexical for row in rows]),
        mean([row.vector for row in rows]),
        mean([row.hybrid for row in rows]),
    )
    header = f"{title:<20}{'queries':>8}{'bm25s':>8}{'lexical':>9}{'vector':>8}{'hybrid':>8}{'hybrid - best leg':>19}"
    lines = [header, "-" * len(header), *(_line(row, row.gain) for row in rows)]
    return "\n".join([*lines, "-" * len(header), _line(total, mean([row.gain for row in rows]))])


def _line(row: Scores, gain: float) -> str:
    legs = f"{row.bm25s:>8.4f}{row.lexical:>9.4f}{row.vector:>8.4f}{row.hybrid:>8.4f}"
    return f"{row.name:<20}{row.queries:>8}{legs}{gain:>+19.4f}"


def verdicts(everything: Sequence[Scores], held_out: Sequence[Scores]) -> Iterator[tuple[bool, str]]:
    """Yield for each goal whether it is met, and a sentence with the figures."""
    behind, name = max((row.bm25s - row.lexical, row.name) for row in everything)
    yield (
        behind <= LEXICAL_BELOW_MAX,
        f"F.R1 lexical leg at most {LEXICAL_BELOW_MAX} below bm25s on every set: lowest {-behind:+.4f} ({name}), all",
    )
    gain = mean([row.gain for row in held_out])
    worst, name = min((row.gain, row.name) for row in held_out)
    yield (
        gain >= HYBRID_GAIN_MIN,
        f"F.R2 hybrid at least {HYBRID_GAIN_MIN} above the better leg on average: {gain:+.4f}, held out",
    )
    yield (
        worst >= -HYBRID_LOSS_MAX,
        f"F.R2 hybrid at most {HYBRID_LOSS_MAX} below the better leg anywhere: lowest {worst:+.4f} ({name}), held out",
    )
