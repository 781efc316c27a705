"""`python -m bench.quality [--fit] [SET...]`: see `make bench-quality`.

Parameters are fitted with --fit, on the half of the queries that is not held out; goals are judged on the other half.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from bench.quality.engine import IndexedSet, index_set, indexed_texts, open_database
from bench.quality.measures import mean, ndcg
from bench.quality.report import score, table, verdicts
from bench.quality.sets import DATA, JudgedSet, load_set, retrieval_folder, set_names
from bench.quality.vectors import embed
from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.knowledge.retrieval.fusion import LEXICAL_WEIGHT

REPOSITORY = Path(__file__).parents[2]
PEERS = REPOSITORY / ".venv-bench" / "bin" / "python"
RESULTS = REPOSITORY / "bench" / "results"
PEER_DEADLINE_S = 600
# Weights whose means differ by less are as good; the smallest of them is taken, because elsewhere, in code and in
# filings, questions share fewer words with their answers than on these sets.
FIT_TOLERANCE = 0.005
WEIGHTS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6)


def main() -> int:
    """Run the benchmark; return 0 if every goal was judged and met."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    parser = argparse.ArgumentParser(prog="python -m bench.quality")
    parser.add_argument("sets", nargs="*", help="names of sets; all without any")
    parser.add_argument("--fit", action="store_true", help="try weights of the lexical leg on the fitting half instead")
    options = parser.parse_args()
    folder = retrieval_folder()
    if folder is None:
        print(f"NOT RUN: no judged sets were found; set {DATA} to the folder that holds retrieval/.", file=sys.stderr)
        return 2
    names = options.sets or set_names(folder)
    judged = [load_set(folder, name) for name in names]
    if not sum(len(one.queries) for one in judged):
        print(f"NOT RUN: the sets under {folder} have no judged query.", file=sys.stderr)
        return 2
    return asyncio.run(fit(judged) if options.fit else compare(judged, rank_with_bm25s(folder, names)))


def rank_with_bm25s(folder: Path, names: Sequence[str]) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return bm25s's rankings of each set; it runs in the peers' own environment."""
    if not PEERS.exists():
        raise SystemExit(f"{PEERS} is missing: run `make bench-quality`, which installs bm25s there.")
    script = Path(__file__).with_name("bm25s_peer.py")
    done = subprocess.run(
        [PEERS, "-I", script, folder, *names], check=True, capture_output=True, text=True, timeout=PEER_DEADLINE_S
    )
    return json.loads(done.stdout)


async def compare(judged_sets: Sequence[JudgedSet], bm25s: Mapping[str, Mapping[str, Sequence[str]]]) -> int:
    """Print the tables and the verdicts."""
    model = MiniLm(RESULTS / "models")
    everything, held_out = [], []
    async with open_database() as (database, tenant):
        for judged in judged_sets:
            documents, queries = await embed_set(model, judged)
            indexed = await index_set(database, tenant, judged, documents, embedding_model=model.name)
            rankings = {**await rank_legs(indexed, judged, queries), "bm25s": bm25s[judged.name]}
            everything.append(score(judged, rankings, held_out=False))
            held_out.append(score(judged, rankings, held_out=True))
            print(f"  {judged.name}: {len(judged.documents)} documents, {len(judged.queries)} queries", flush=True)
    print(f"\nnDCG@10; vectors by {model.name}; lexical weight {LEXICAL_WEIGHT}; bm25s lucene, k1 1.2, b 0.75,")
    print('stop words "en" and Snowball English (German on *-de; characters and pairs of them on *-zh)\n')
    print(table("held-out queries", held_out), "\n")
    print(table("all queries", everything), "\n")
    outcome = list(verdicts(everything, held_out))
    for met, sentence in outcome:
        print("PASS" if met else "FAIL", sentence)
    print(f"{sum(row.queries for row in everything)} queries on {len(everything)} sets were tried")
    return 0 if all(met for met, _ in outcome) else 1


async def embed_set(model: MiniLm, judged: JudgedSet) -> tuple[Vectors, Vectors]:
    """Return the vectors of the documents and of the queries."""
    cache = RESULTS / "vectors"
    documents = await embed(model, indexed_texts(judged.documents), cache)
    return documents, await embed(model, [query.text for query in judged.queries], cache)


async def rank_legs(indexed: IndexedSet, judged: JudgedSet, vectors: Vectors) -> dict[str, dict[str, Sequence[str]]]:
    """Return what each leg and both together find for each query."""
    legs: dict[str, dict[str, Sequence[str]]] = {"lexical": {}, "vector": {}, "hybrid": {}}
    for query, vector in zip(judged.queries, vectors, strict=True):
        legs["lexical"][query.id] = await indexed.search(query.text, None)
        legs["vector"][query.id] = await indexed.search_by_vector(vector)
        legs["hybrid"][query.id] = await indexed.search(query.text, vector)
    return legs


async def fit(judged_sets: Sequence[JudgedSet]) -> int:
    """Print for each weight of the lexical leg the hybrid's nDCG@10 on the queries that are not held out."""
    model = MiniLm(RESULTS / "models")
    means: dict[float, list[float]] = {weight: [] for weight in WEIGHTS}
    async with open_database() as (database, tenant):
        for judged in judged_sets:
            documents, queries = await embed_set(model, judged)
            indexed = await index_set(database, tenant, judged, documents, embedding_model=model.name)
            for weight, scores in means.items():
                scores.append(await _weighed(indexed, judged, queries, weight))
            print(
                f"{judged.name:<20}", *(f"{weight}: {scores[-1]:.4f} " for weight, scores in means.items()), flush=True
            )
    for weight, scores in means.items():
        print(f"lexical weight {weight}: mean nDCG@10 {mean(scores):.4f} on the fitting half")
    best = max(mean(scores) for scores in means.values())
    chosen = min(weight for weight, scores in means.items() if mean(scores) >= best - FIT_TOLERANCE)
    print(f"fitted: {chosen}, the smallest weight within {FIT_TOLERANCE} of the best; the product has {LEXICAL_WEIGHT}")
    return 0


async def _weighed(indexed: IndexedSet, judged: JudgedSet, vectors: Vectors, weight: float) -> float:
    return mean(
        [
            ndcg(await indexed.search_weighed(query.text, vector, weight), query.grades)
            for query, vector in zip(judged.queries, vectors, strict=True)
            if not query.held_out
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
