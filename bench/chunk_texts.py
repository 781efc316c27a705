"""Real passages in any number: those of the sample's files, of the long reports, and the texts of the judged sets."""

import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from bench.documents import DATA, sample
from mainstay.knowledge.documents.chunking import chunk
from mainstay.knowledge.documents.parsed import ParseRejected
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse

_TEXT_CHARS_MAX = 2_000


def chunk_texts(wanted: int) -> list[str]:
    """Return so many passages, each different: where there are too few real ones, they repeat with a number before."""
    found = list(dict.fromkeys(islice(_real(), wanted)))
    for turn in count(1):
        if len(found) >= wanted:
            return found[:wanted]
        found += [f"{turn}. {text}" for text in found[: wanted - len(found)]]
    raise AssertionError("count() has no end")


def _real() -> Iterator[str]:
    reports = sorted((DATA / "documents").glob("KG-RAG-datasets/**/*.pdf"))
    for path in (*sample().files, *reports):
        yield from _passages(path)
    for corpus in sorted((DATA / "retrieval").glob("*/corpus.jsonl")):
        for line in corpus.read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["text"].strip()[:_TEXT_CHARS_MAX]
            if text:
                yield text


def _passages(path: Path) -> list[str]:
    try:
        return [one.text for one in chunk(parse(path.read_bytes(), path.name, None, ParseLimits()))]
    except ParseRejected:
        return []
