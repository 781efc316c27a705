"""`python -m bench.ingest`: ingest of the same files with the same embedding model, beside two peers (F.I1).

Each system runs in a process of its own with the model loaded. Rounds take turns, each into a fresh store, so that a
busy machine disturbs all alike, after a small one that warms up; ratios are medians of the ratios of each round. Right
after each ingest the system embeds the same chunks once more and does nothing else: that is the embed-only rate.
Processor time is that of the system's process and all its children and threads, and of all processes of PostgreSQL
meanwhile. Mainstay ingests as its worker does (upload into the blob store, job, parser child, chunks, dedupe,
embedding, both indexes, probe, usage and audit, committed); HTTP is left out.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bench.contender import PEERS_PYTHON, Contender, Cost, peers_missing, versions
from bench.documents import Sample, sample
from bench.figures import Figure, machine, print_figures, save_figures
from bench.postgres import MODELS, create_database, postmaster, production_cluster, temporary_folder
from mainstay.platform.postgres.embedded import EmbeddedCluster

ROUNDS = 3
WARM_UP_FILES = 12
PEERS = ("llama-index-core", "llama-index-vector-stores-postgres", "chromadb")


@dataclass(frozen=True)
class Round:
    """One ingest of one system, and the embedding of its chunks alone."""

    ingest: Cost
    embed: Cost

    @property
    def documents(self) -> int:
        """The files that ended well."""
        return self.ingest.answer["documents"]

    @property
    def chunks(self) -> int:
        """What was embedded."""
        return self.embed.answer["chunks"]

    @property
    def documents_per_s(self) -> float:
        """On the clock."""
        return self.documents / self.ingest.wall_s

    @property
    def share_of_embed_only(self) -> float:
        """How near the whole comes to what the model alone would take, on the clock."""
        return self.embed.wall_s / self.ingest.wall_s

    @property
    def beside_embedding_ms(self) -> float:
        """Processor time of a document for everything but the model."""
        return (self.ingest.cpu_s - self.embed.system_cpu_s) * 1000 / self.documents


def connection(url: str) -> dict[str, object]:
    """Return an address in the parts that LlamaIndex takes."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": parts.path.lstrip("/"),
    }


def open_contenders(stack: ExitStack, cluster: EmbeddedCluster, folder: Path) -> Sequence[Contender]:
    """Start the systems, and let each load its model."""
    ours = stack.enter_context(Contender("Mainstay", "bench.ours.ingest", log=folder / "mainstay.log"))
    home = folder / "home"
    home.mkdir()
    ours.do(
        "open",
        app=cluster.app_url,
        owner=cluster.owner_url,
        superuser=cluster.superuser_url,
        home=str(home),
        models=str(MODELS),
    )
    llama = stack.enter_context(
        Contender("LlamaIndex", "bench.peers.llama_index_postgres", python=PEERS_PYTHON, log=folder / "llama.log")
    )
    llama.do("open", connection=connection(create_database(cluster, "peers")), models=str(MODELS))
    chroma = stack.enter_context(
        Contender("Chroma", "bench.peers.chroma_persistent", python=PEERS_PYTHON, log=folder / "chroma.log")
    )
    chroma.do("open", folder=str(folder / "chroma"), models=str(MODELS))
    return ours, llama, chroma


def measure(contender: Contender, server: int, files: Sequence[Path]) -> Round:
    """Ingest the files once."""
    ingest = contender.measure(server, "ingest", paths=[str(path) for path in files])
    embed = contender.measure(server, "embed_only", store=ingest.answer["store"])
    if not ingest.answer["documents"] or not embed.answer["chunks"]:
        raise SystemExit(f"NOT RUN: {contender.name} took none of the {len(files)} files.")
    return Round(ingest, embed)


def print_rounds(found: Mapping[str, Sequence[Round]]) -> None:
    """Print the medians of each system."""
    print(
        f"{'':12}{'docs':>5}{'refused':>8}{'chunks':>8}{'k tokens':>9}{'docs/s':>8}{'chunks/s':>9}{'CPU ms/doc':>11}"
        f"{'of it PG':>9}{'not embedding':>14}{'of embed-only':>14}"
    )
    for name, rounds in found.items():
        last = rounds[-1]

        def median(pick: str, rounds: Sequence[Round] = rounds) -> float:
            return statistics.median(getattr(one, pick) for one in rounds)

        cpu_ms = statistics.median(one.ingest.cpu_s * 1000 / one.documents for one in rounds)
        postgres_ms = statistics.median(one.ingest.postgres_cpu_s * 1000 / one.documents for one in rounds)
        chunks_per_s = statistics.median(one.chunks / one.ingest.wall_s for one in rounds)
        print(
            f"{name:12}{last.documents:5}{last.ingest.answer['failed']:8}{last.chunks:8}"
            f"{last.embed.answer['tokens'] / 1000:9.0f}{median('documents_per_s'):8.1f}{chunks_per_s:9.0f}"
            f"{cpu_ms:11.0f}{postgres_ms:9.1f}{median('beside_embedding_ms'):14.1f}{median('share_of_embed_only'):14.2f}"
        )


def figures_of(found: Mapping[str, Sequence[Round]]) -> list[Figure]:
    """Return what is held against the goals."""
    ours = found["Mainstay"]
    share = statistics.median(one.share_of_embed_only for one in ours)
    on_cpu = statistics.median(one.embed.system_cpu_s / one.ingest.cpu_s for one in ours)
    figures = [
        Figure(
            "F.I1", "ingest end to end, as a share of the embed-only rate", share, at_least=0.9, note="on the clock"
        ),
        Figure("", "the same in CPU time: the model's share of all", on_cpu),
    ]
    for name in list(found)[1:]:
        pairs = list(zip(ours, found[name], strict=True))
        speed = statistics.median(mine.documents_per_s / theirs.documents_per_s for mine, theirs in pairs)
        beside = statistics.median(theirs.beside_embedding_ms / mine.beside_embedding_ms for mine, theirs in pairs)
        figures.append(Figure("", f"documents/s against {name}", speed, "×"))
        figures.append(Figure("", f"CPU for all but embedding: {name}'s in ours", beside, "×"))
    return figures


def run(chosen: Sample, rounds: int) -> list[Figure]:
    """Measure and print."""
    with temporary_folder() as folder, production_cluster(folder) as cluster, ExitStack() as stack:
        contenders = open_contenders(stack, cluster, folder)
        server = postmaster(cluster)
        for contender in contenders:
            measure(contender, server, chosen.first(WARM_UP_FILES).files)
        found: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
        for number in range(rounds):
            turn = number % len(contenders)
            for contender in (*contenders[turn:], *contenders[:turn]):
                found[contender.name].append(measure(contender, server, chosen.files))
        for contender in contenders:
            contender.do("close")
    print_rounds(found)
    return figures_of(found)


def main() -> None:
    """Read the options, run, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--files", type=int, default=0, help="about so many files of the sample; all without")
    parser.add_argument("--figures", type=Path, help="write the figures there as JSON")
    options = parser.parse_args()
    if missing := peers_missing():
        sys.exit(missing)
    chosen = sample().first(options.files) if options.files else sample()
    print(f"{machine()}\npeers: {versions(PEERS_PYTHON, PEERS)}\n{chosen.origin}, {options.rounds} rounds, medians\n")
    figures = run(chosen, options.rounds)
    print_figures(figures)
    if options.figures:
        save_figures(figures, options.figures)


if __name__ == "__main__":
    main()
