"""Judged sets in the shape of BEIR: documents, queries, and which documents answer which query how well."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = "MAINSTAY_DATA"


@dataclass(frozen=True)
class Document:
    """One document; its id is the set's own."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class JudgedQuery:
    """A query with the grades of the documents that answer it. Parameters are fitted on half of all queries only."""

    id: str
    text: str
    grades: Mapping[str, int]

    @property
    def held_out(self) -> bool:
        """Whether no parameter has seen the query; a digest of its id says so, for ever the same."""
        return hashlib.sha256(self.id.encode()).digest()[0] % 2 == 1


@dataclass(frozen=True)
class JudgedSet:
    """A corpus and the queries over it that have a judgement."""

    name: str
    documents: Sequence[Document]
    queries: Sequence[JudgedQuery]


def retrieval_folder() -> Path | None:
    """Return the folder with one folder per set: under MAINSTAY_DATA, or beside the repository; None without one."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get(DATA, beside)) / "retrieval"
    return folder if folder.is_dir() else None


def set_names(folder: Path) -> list[str]:
    """Return the names of the sets in a folder."""
    return sorted(entry.name for entry in folder.iterdir() if (entry / "qrels" / "test.tsv").is_file())


def load_set(folder: Path, name: str) -> JudgedSet:
    """Read one set; documents without any text are left out, as an ingest would refuse them."""
    grades: dict[str, dict[str, int]] = {}
    for line in (folder / name / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query_id, document_id, grade = line.split("\t")
        if int(grade) > 0:
            grades.setdefault(query_id, {})[document_id] = int(grade)
    documents = [
        Document(row["_id"], row.get("title") or "", row["text"])
        for row in _rows(folder / name / "corpus.jsonl")
        if row["text"].strip()
    ]
    queries = [
        JudgedQuery(row["_id"], row["text"], grades[row["_id"]])
        for row in _rows(folder / name / "queries.jsonl")
        if row["_id"] in grades
    ]
    return JudgedSet(name, documents, queries)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
