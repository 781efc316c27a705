"""`python -m bench.rows`: chunks in, rows out, with given vectors, beside two peers and a raw COPY (F.I2).

No model runs. Mainstay's rows stand in both indexes, with a probe and an audit row in each commit; those of the peers
in LlamaIndex's table (no index) and in Chroma's HNSW index; those of COPY in a table without anything. Rounds take
turns, each into something empty; ratios are medians of the ratios of each round. Processor time is that of the
system's process and of all processes of PostgreSQL meanwhile.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.chunk_texts import chunk_texts
from bench.contender import PEERS_PYTHON, Contender, Cost, peers_missing
from bench.figures import Figure, machine, print_figures, save_figures
from bench.ingest import connection
from bench.postgres import MODELS, create_database, postmaster, production_cluster, temporary_folder
from mainstay.platform.postgres.embedded import EmbeddedCluster

ROUNDS = 3
ROWS = 3_000
DIMENSIONS = 384
SMALL = 20
WHOLE, IN_SMALL, COPY = "Mainstay", f"Mainstay/{SMALL}", "COPY"


def write_rows(folder: Path, count: int) -> dict[str, str]:
    """Write texts and vectors into files that every system reads; return their paths."""
    texts, vectors = folder / "texts.json", folder / "vectors.npy"
    texts.write_text(json.dumps(chunk_texts(count)), encoding="utf-8")
    made = np.random.default_rng(7).normal(size=(count, DIMENSIONS)).astype(np.float32)
    np.save(vectors, made / np.linalg.norm(made, axis=1, keepdims=True))
    return {"texts": str(texts), "vectors": str(vectors)}


def open_contenders(
    stack: ExitStack, cluster: EmbeddedCluster, folder: Path
) -> tuple[Contender, Mapping[str, Contender]]:
    """Start ours, which does the COPY too, and the peers by name."""
    ours = stack.enter_context(Contender(WHOLE, "bench.ours.rows", log=folder / "mainstay.log"))
    ours.do("open", app=cluster.app_url, owner=cluster.owner_url)
    peers = {
        name: stack.enter_context(Contender(name, module, python=PEERS_PYTHON, log=folder / f"{name}.log"))
        for name, module in (
            ("LlamaIndex", "bench.peers.llama_index_postgres"),
            ("Chroma", "bench.peers.chroma_persistent"),
        )
    }
    peers["LlamaIndex"].do("open", connection=connection(create_database(cluster, "peers")), models=str(MODELS))
    peers["Chroma"].do("open", folder=str(folder / "chroma"), models=str(MODELS))
    return ours, peers


def measure_round(ours: Contender, peers: Mapping[str, Contender], server: int, rows: int) -> dict[str, Cost]:
    """Measure everything once."""
    found: dict[str, Cost] = {}
    ours.do("prepare_rows", chunks_per_document=rows)
    found[WHOLE] = ours.measure(server, "add_rows")
    found[COPY] = ours.measure(server, "copy_rows")
    for name, peer in peers.items():
        peer.do("prepare_rows")
        found[name] = peer.measure(server, "add_rows")
    ours.do("prepare_rows", chunks_per_document=SMALL)
    found[IN_SMALL] = ours.measure(server, "add_rows")
    return found


def run(rows: int, rounds: int) -> list[Figure]:
    """Measure and print."""
    with temporary_folder() as folder, production_cluster(folder) as cluster, ExitStack() as stack:
        paths = write_rows(folder, rows)
        ours, peers = open_contenders(stack, cluster, folder)
        for contender in (ours, *peers.values()):
            contender.do("load_rows", **paths)
        server = postmaster(cluster)
        measure_round(ours, peers, server, rows)
        found = [measure_round(ours, peers, server, rows) for _ in range(rounds)]
        ours.do("close")
    print_rounds(found, rows)
    return figures_of(found)


def print_rounds(found: Sequence[Mapping[str, Cost]], rows: int) -> None:
    """Print the medians of each system."""
    print(f"{'':14}{'rows/s':>10}{'CPU ms/row':>12}{'of it PG':>10}")
    for name in found[0]:
        costs = [one[name] for one in found]
        per_s = statistics.median(rows / cost.wall_s for cost in costs)
        cpu_ms = statistics.median(cost.cpu_s * 1000 / rows for cost in costs)
        postgres_ms = statistics.median(cost.postgres_cpu_s * 1000 / rows for cost in costs)
        print(f"{name:14}{per_s:10,.0f}{cpu_ms:12.3f}{postgres_ms:10.3f}")


def figures_of(found: Sequence[Mapping[str, Cost]]) -> list[Figure]:
    """Return what is held against the goals."""

    def ratio(of: str, to: Sequence[str]) -> float:
        return statistics.median(min(one[name].wall_s for name in to) / one[of].wall_s for one in found)

    def ratio_on_cpu(of: str, to: str) -> float:
        return statistics.median(one[to].cpu_s / one[of].cpu_s for one in found)

    peers = ("LlamaIndex", "Chroma")
    figures = [
        Figure("F.I2", "rows/s against the better peer", ratio(WHOLE, peers), "×", at_least=5),
        Figure("F.I2", "rows/s against raw COPY into a bare table", ratio(WHOLE, [COPY]), "×", at_least=0.2),
        Figure("", f"rows/s against the better peer, documents of {SMALL} chunks", ratio(IN_SMALL, peers), "×"),
    ]
    figures += [Figure("", f"CPU of a row: {name}'s in ours", ratio_on_cpu(WHOLE, name), "×") for name in peers]
    return figures


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    if missing := peers_missing():
        sys.exit(missing)
    print(f"{machine()}\n{options.rows} rows of {DIMENSIONS} dimensions, {options.rounds} rounds, medians\n")
    figures = run(options.rows, options.rounds)
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
