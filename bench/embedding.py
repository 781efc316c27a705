"""`python -m bench.embedding [--data FOLDER]`: what the default embedding model costs, and how near it is to float32.

Speed is in texts per CPU second on one thread; ours and the float32 graph take turns, so that a noisy machine disturbs
both alike, and the median round counts. With the folder of judged sets (`shared/data`) it
prints nDCG@10 of exact vector search too, for both.
"""

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np

from mainstay.control.gateway.models import Vectors
from mainstay.control.gateway.providers.minilm.build import build_graph
from mainstay.control.gateway.providers.minilm.cache import built_graph
from mainstay.control.gateway.providers.minilm.model import INPUT_TOKENS_MAX, TEXT_CHARS_MAX, MiniLm
from mainstay.control.gateway.providers.minilm.runtime import Session, WordPieces
from mainstay.samples import SAMPLES

SETS = ("cranfield", "med", "cacm", "product-docs-qa", "adi", "xquad-en")
TEXTS = 64
ROUNDS = 5
QUERIES = 200
STARTS = 5

Embed = Callable[[Sequence[str]], Awaitable[Vectors]]

WARM_START = """
import time
started = time.perf_counter(), time.process_time()
import asyncio, sys
from pathlib import Path
from mainstay.control.gateway.providers.minilm.model import MiniLm
model = MiniLm(Path(sys.argv[1]))
print(time.perf_counter() - started[0], time.process_time() - started[1])
asyncio.run(model.embed(["one short question"]))
status = Path("/proc/self/status")
print(status.read_text().split("VmRSS:")[1].split()[0] if status.exists() else "nan")
"""


def texts_of(tokens: int) -> list[str]:
    """Return texts of about so many tokens each, cut from the Markdown samples."""
    words = " ".join(path.read_text("utf-8") for path in sorted(SAMPLES.rglob("*.md"))).split()
    pieces = WordPieces()
    per_word = len(pieces.encode([" ".join(words)])[0]) / len(words)
    width = max(1, round((tokens - 2) / per_word))
    step = (len(words) - width) // TEXTS
    return [" ".join(words[number * step : number * step + width]) for number in range(TEXTS)]


def float32_embed(folder: Path) -> Embed:
    """Return the reference: the same graph in float32, one text at a time."""
    build_graph(folder / "float32.onnx", quantised=False)
    session, pieces = Session(folder / "float32.onnx"), WordPieces()

    async def embed(texts: Sequence[str]) -> Vectors:
        cut = [
            ids if len(ids) <= INPUT_TOKENS_MAX else np.append(ids[: INPUT_TOKENS_MAX - 1], ids[-1])
            for ids in pieces.encode(texts)
        ]
        return np.concatenate([session.run(ids[None]) for ids in cut])

    return embed


async def print_speed(embedders: dict[str, Embed], texts: list[str]) -> None:
    """Print texts and tokens per CPU second of each embedder, in rounds that take turns."""
    tokens = [len(ids) for ids in WordPieces().encode(texts)]
    seconds: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(ROUNDS):
        for name, embed in embedders.items():
            started = time.process_time()
            await embed(texts)
            seconds[name].append(time.process_time() - started)
    label = f"texts of {min(tokens)} to {max(tokens)} tokens, mean {statistics.mean(tokens):.0f}"
    for name, spent in seconds.items():
        rate = len(texts) / statistics.median(spent)
        print(f"{label}: {name:8} {rate:7.1f} texts/CPU s {rate * statistics.mean(tokens):9.0f} tokens/CPU s")


async def print_query_latency(model: MiniLm) -> None:
    """Print the latency of one short question after another."""
    latencies_ms: list[float] = []
    cpu = time.process_time()
    for number in range(QUERIES):
        started = time.perf_counter()
        await model.embed([f"How long is the warranty of sensor number {number}?"])
        latencies_ms.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - cpu) / QUERIES * 1000
    p50, p95 = np.quantile(latencies_ms, [0.5, 0.95])
    print(f"one question: p50 {p50:.1f} ms, p95 {p95:.1f} ms, CPU {cpu_ms:.1f} ms")


def print_start(models: Path) -> None:
    """Print the build's duration and the file's size, then load time and memory of fresh processes."""
    started = time.perf_counter()
    graph = built_graph(models, MiniLm.name)
    print(f"build: {time.perf_counter() - started:.1f} s, file {graph.stat().st_size / 1e6:.1f} MB")
    starts: list[list[float]] = []
    for _ in range(STARTS):
        child = subprocess.run(
            [sys.executable, "-c", WARM_START, str(models)], capture_output=True, text=True, check=True
        )
        starts.append([float(word) for word in child.stdout.split()])
    wall_s, cpu_s, rss_kib = (statistics.median(values) for values in zip(*starts, strict=True))
    print(f"warm start, imports included: {wall_s:.2f} s, CPU {cpu_s:.2f} s; whole process {rss_kib / 1024:.0f} MiB")


async def print_cosines(ours: Embed, reference: Embed, texts: list[str]) -> None:
    """Print how near our vectors are to the reference's."""
    cosines = ((await ours(texts)) * (await reference(texts))).sum(axis=1)
    print(f"cosine to float32, {len(texts)} texts: lowest {cosines.min():.4f}, mean {cosines.mean():.4f}")


async def ndcg_at_10(folder: Path, embed: Embed) -> float:
    """Return nDCG@10 of exact search over one judged set; a document is its title and text."""
    corpus, queries = (_read_jsonl(folder / f"{part}.jsonl") for part in ("corpus", "queries"))
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[document] = int(grade)
    ids = [row["_id"] for row in corpus]
    asked = [row for row in queries if any(judged.get(row["_id"], {}).values())]
    documents = [f"{row.get('title', '')} {row['text']}"[:TEXT_CHARS_MAX] for row in corpus]
    vectors = await embed_all(embed, [text if text.strip() else "-" for text in documents])
    found = await embed_all(embed, [row["text"] for row in asked]) @ vectors.T
    top = np.argsort(-found, axis=1, kind="stable")[:, :10]
    return statistics.mean(
        _ndcg([judged[row["_id"]].get(ids[number], 0) for number in ranked], list(judged[row["_id"]].values()))
        for row, ranked in zip(asked, top, strict=True)
    )


async def embed_all(embed: Embed, texts: list[str]) -> Vectors:
    """Embed any number of texts, in calls of 1,000."""
    return np.concatenate([await embed(texts[start : start + 1000]) for start in range(0, len(texts), 1000)])


def _ndcg(ranked: Sequence[int], grades: Sequence[int]) -> float:
    def dcg(values: Sequence[int]) -> float:
        return sum(value / np.log2(rank + 2) for rank, value in enumerate(values[:10]))

    return float(dcg(ranked) / dcg(sorted(grades, reverse=True)))


def _read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


async def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the shared data folder, for nDCG@10")
    data: Path | None = parser.parse_args().data
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print_start(folder)
        model, reference = MiniLm(folder, threads=1), float32_embed(folder)

        async def ours(texts: Sequence[str]) -> Vectors:
            return (await model.embed(texts)).vectors

        embedders = {"int8": ours, "float32": reference}
        await print_query_latency(model)
        for tokens in (20, 200, 256):
            await print_speed(embedders, texts_of(tokens))
        await print_cosines(ours, reference, texts_of(20) + texts_of(200))
        for name in SETS if data else ():
            scores = [
                f"{key} {await ndcg_at_10(data / 'retrieval' / name, embed):.4f}" for key, embed in embedders.items()
            ]
            print(f"{name}: nDCG@10", *scores, flush=True)
        model.close()


if __name__ == "__main__":
    asyncio.run(main())
