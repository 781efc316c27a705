"""Judged questions with their expected answers, over documents of three languages and three kinds."""

import csv
import fnmatch
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.quality.sets import JudgedQuery, load_set
from mainstay.knowledge.documents.parsed import ParsedDocument
from mainstay.knowledge.documents.parsing import ParserPool
from mainstay.samples import SAMPLES, sample_files

# Expected answers that stand verbatim in a document, and such as a person wrote in words of their own.
VERBATIM = ("xquad-en", "xquad-de", "xquad-zh")
IN_OTHER_WORDS = ("product-docs-qa",)
FILINGS = "filings"
# The golden questions over our own sample documents, which include some that nothing there answers.
GOLDEN = "samples"
GOLDEN_FILE = Path(__file__).parents[2] / "evals" / "samples" / "questions.jsonl"
# Queries of these have no expected answers; they are asked where nothing can answer them.
STRANGERS = ("cranfield", "med", "cacm")


@dataclass(frozen=True)
class JudgedQuestion:
    """A question, what answers it, and the ids of the documents in which that stands."""

    id: str
    text: str
    answers: tuple[str, ...]
    document_ids: frozenset[str]

    @property
    def held_out(self) -> bool:
        """Whether no parameter has seen the question."""
        return JudgedQuery(self.id, self.text, {}).held_out


@dataclass(frozen=True)
class AnswerSet:
    """Documents by their ids, and questions over them.

    `filenames` are what a model is told of each document; `is_verbatim` says that answers are quotes of a few words.
    """

    name: str
    documents: Mapping[str, ParsedDocument]
    filenames: Mapping[str, str]
    questions: Sequence[JudgedQuestion]
    is_verbatim: bool


async def load_answer_sets(data: Path, names: Sequence[str] = ()) -> list[AnswerSet]:
    """Read the sets `names` of the data folder, or all; a folder that lacks one lacks its questions."""
    wanted = names or (*VERBATIM, *IN_OTHER_WORDS, FILINGS)
    sets = [_read_set(data / "retrieval", name) for name in wanted if (data / "retrieval" / name).is_dir()]
    filings = data / "documents" / "KG-RAG-datasets"
    if FILINGS in wanted and filings.is_dir():
        sets.append(await _read_filings(filings))
    return sets


def stranger_questions(data: Path) -> list[JudgedQuestion]:
    """Return queries of collections about other things altogether."""
    folder = data / "retrieval"
    found = (load_set(folder, name) for name in STRANGERS if (folder / name).is_dir())
    return [
        JudgedQuestion(f"{judged.name}-{query.id}", query.text, (), frozenset())
        for judged in found
        for query in judged.queries
    ]


def _read_set(folder: Path, name: str) -> AnswerSet:
    judged = load_set(folder, name)
    lines = (folder / name / "queries.jsonl").read_text("utf-8").splitlines()
    answers = {row["_id"]: tuple(row["answers"]) for row in map(json.loads, lines)}
    documents = {
        document.id: ParsedDocument(document.text, "text/plain", "text", document.title)
        for document in judged.documents
    }
    questions = [
        JudgedQuestion(query.id, query.text, answers[query.id], frozenset(query.grades)) for query in judged.queries
    ]
    filenames = {name: parsed.title for name, parsed in documents.items()}
    return AnswerSet(name, documents, filenames, questions, is_verbatim=name in VERBATIM)


async def load_golden_set() -> AnswerSet:
    """Read the golden questions over the sample documents; one without answers has no document either."""
    documents: dict[str, ParsedDocument] = {}
    async with ParserPool() as pool:
        for path in sample_files():
            name = path.relative_to(SAMPLES).as_posix()
            documents[name] = await pool.parse(path.read_bytes(), filename=path.name)
    rows = [json.loads(line) for line in GOLDEN_FILE.read_text("utf-8").splitlines()]
    questions = [
        JudgedQuestion(row["question"], row["question"], (row["answer_contains"],), frozenset({row["document"]}))
        if row["answerable"]
        else JudgedQuestion(row["question"], row["question"], (), frozenset())
        for row in rows
    ]
    filenames = {name: Path(name).name for name in documents}
    return AnswerSet(GOLDEN, documents, filenames, questions, is_verbatim=True)


async def _read_filings(folder: Path) -> AnswerSet:
    documents: dict[str, ParsedDocument] = {}
    async with ParserPool() as pool:
        for path in sorted((folder / "sec-10-q").glob("*.pdf")):
            documents[path.stem] = await pool.parse(path.read_bytes(), filename=path.name)
    rows = csv.DictReader((folder / "qna_data.csv").read_text("utf-8-sig").splitlines(keepends=True))
    questions: list[JudgedQuestion] = []
    for row in rows:
        patterns = [pattern.strip() for pattern in row["Source Docs"].split(",")]
        relevant = {name for name in documents for pattern in patterns if fnmatch.fnmatch(name, pattern)}
        if relevant:
            digest = hashlib.sha256(row["Question"].encode()).hexdigest()[:16]
            questions.append(JudgedQuestion(digest, row["Question"], (row["Answer"],), frozenset(relevant)))
    filenames = {name: f"{name}.pdf" for name in documents}
    return AnswerSet(FILINGS, documents, filenames, questions, is_verbatim=False)
