"""The sample documents, and the golden questions about them, belong together."""

import html
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pypdfium2

from mainstay.samples import SAMPLES, sample_files

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "evals/samples/questions.jsonl"


def golden_questions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def pages_of(path: Path) -> list[str]:
    """The words of a document, page by page, read with nothing of our own parsers."""
    match path.suffix:
        case ".pdf":
            pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path)]
        case ".docx" | ".pptx" | ".xlsx":
            with zipfile.ZipFile(path) as archive:
                # A Word file is one page to us; slides and sheets are numbered parts.
                part = re.compile(r"word/document\.xml|ppt/slides/slide\d+\.xml|xl/worksheets/sheet\d+\.xml")
                names = sorted(name for name in archive.namelist() if part.fullmatch(name))
                pages = [re.sub(r"<[^>]*>", " ", archive.read(name).decode()) for name in names]
        case ".html":
            pages = [re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8"))]
        case _:
            pages = [path.read_text(encoding="utf-8")]
    return [" ".join(html.unescape(page).split()) for page in pages]


def test_samples_are_enough_and_of_many_formats() -> None:
    kinds = Counter(path.suffix for path in sample_files())
    assert set(kinds) >= {".md", ".html", ".pdf", ".docx", ".xlsx", ".pptx", ".csv", ".eml", ".txt"}
    assert kinds.total() >= 25
    names = [path.name for path in sample_files()]
    assert len(set(names)) == len(names), "a citation shows the name alone, so names must differ"


def test_samples_hold_a_manual_of_eight_pages_or_more() -> None:
    assert len(pages_of(SAMPLES / "manuals/linnet-2-manual.pdf")) >= 8


def test_questions_are_many_and_half_as_many_have_no_answer() -> None:
    answerable = Counter(bool(question["answerable"]) for question in golden_questions())
    assert answerable[True] >= 40
    assert answerable[False] >= 15
    texts = [question["question"] for question in golden_questions()]
    assert len(set(texts)) == len(texts)


def test_answers_stand_in_the_document_and_on_the_page_named() -> None:
    texts = {path.relative_to(SAMPLES).as_posix(): pages_of(path) for path in sample_files()}
    for question in golden_questions():
        if not question["answerable"]:
            assert question["document"] is question["page"] is question["answer_contains"] is None
            continue
        pages, page = texts[question["document"]], question["page"]
        assert (page is not None) == question["document"].endswith((".pdf", ".pptx", ".xlsx")), question
        where = " ".join(pages) if page is None else pages[page - 1]
        assert question["answer_contains"] in where, question


def test_every_sample_document_is_asked_about() -> None:
    asked = {question["document"] for question in golden_questions()}
    # The old FAQ is there to be wrong: what it says is answered elsewhere.
    names = {path.relative_to(SAMPLES).as_posix() for path in sample_files()} - {"help/faq-2023.html"}
    assert names <= asked


def test_made_samples_are_what_their_sources_say() -> None:
    command = [sys.executable, str(ROOT / "tools/make_samples.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert re.search(r"^1[0-9] samples, 0 stale$", checked.stdout, re.MULTILINE)
