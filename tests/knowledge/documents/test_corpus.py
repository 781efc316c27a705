"""Every real file of the data folder through the pool: each ends as a document or with a reason, with figures."""

import difflib
import json
import os
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import cast

import pytest

from mainstay.knowledge.documents.chunking import chunk
from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.cleaning import has_visible
from mainstay.knowledge.documents.parsing import ParserPool
from tests.support.figures import Figures

Row = dict[str, object]
# Formats that have to come out as documents, but for encrypted and scanned files.
SUPPORTED = frozenset(("pdf", "html", "docx", "pptx", "xlsx", "xlsm", "md", "csv", "eml"))
_WORD = re.compile(r"\w+")
MUTATIONS = 300


@pytest.fixture
def documents_folder(shared_data: Path) -> Path:
    return shared_data / "documents"


def manifest(folder: Path) -> list[Row]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return [cast("Row", json.loads(line)) for line in lines]


def words(text: str) -> list[str]:
    # Truth is Markdown; its link targets, comments and marks are no words of the document.
    text = re.sub(r"<!--.*?-->|\]\([^)\s]*(?:\s+\"[^\"]*\")?\)|https?://\S+", " ", text)
    return _WORD.findall(text.lower().replace("_", " "))


def recall(truth: str, text: str) -> float:
    """Return the share of the truth's words, with their counts, that the text has."""
    wanted, found = Counter(words(truth)), Counter(words(text))
    return sum((wanted & found).values()) / max(sum(wanted.values()), 1)


def order(truth: str, text: str) -> float:
    """Return the similarity of the word sequences: 1.0 is the same words in the same order."""
    return difflib.SequenceMatcher(None, words(truth)[:4000], words(text)[:4000], autojunk=False).ratio()


def says(expected: str, text: str) -> bool:
    """Say whether the words of `expected` stand in `text` in order and close together, whatever marks stand between."""
    wanted, found = words(expected), words(text)
    if not wanted:
        return True
    reach = len(wanted) * 3
    for start, word in enumerate(found):
        if word == wanted[0]:
            window = iter(found[start : start + reach])
            if all(any(w == candidate for candidate in window) for w in wanted):
                return True
    return False


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_every_file_of_the_data_folder_ends_with_text_or_a_reason(
    documents_folder: Path, record_figure: Figures
) -> None:
    rows = manifest(documents_folder)
    states: Counter[tuple[str, str]] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    recalls: dict[str, list[tuple[float, float]]] = defaultdict(list)
    exact = by_words = expected = unread = forbidden = 0
    problems: list[str] = []
    async with ParserPool(children_max=2) as pool:
        for row in rows:
            path, form = documents_folder / str(row["path"]), str(row["format"])
            data = path.read_bytes()
            started = time.perf_counter()
            document: ParsedDocument | None = None
            try:
                document = await pool.parse(data, filename=path.name)
                state = "parsed"
            except ParseRejected as rejection:
                state = rejection.code
                problems.extend([] if rejection.reason.endswith(".") else [f"{row['path']}: {rejection.reason}"])
            seconds[form] += time.perf_counter() - started
            states[form, state] += 1
            problems.extend(check_state(row, state))
            # A data: URI is a picture, which no text may carry, whatever another converter's test expects.
            phrases = [p for p in cast("list[str]", row.get("must_include") or []) if not p.startswith("data:")]
            if document is None:
                unread += len(phrases)
                continue
            problems.extend(check_document(row, document))
            truth = row.get("truth")
            if isinstance(truth, str):
                wanted = (documents_folder / truth).read_text()
                recalls[form].append((recall(wanted, document.text), order(wanted, document.text)))
            expected += len(phrases)
            exact += sum(phrase in document.text for phrase in phrases)
            by_words += sum(says(phrase, document.text) for phrase in phrases)
            forbidden += sum(p in document.text for p in cast("list[str]", row.get("must_not_include") or []))
    print_table(states, seconds, recalls)
    print(
        f"must_include in parsed files: {exact} of {expected} exactly, {by_words} in words; in rejected ones: {unread}"
    )
    print(f"must_not_include: {forbidden} found")
    record_figure.record(
        "files with text or a reason", len(rows) - len({one.split(":")[0] for one in problems}), tried=len(rows)
    )
    assert sum(states.values()) == len(rows) > 0
    assert not problems, "\n".join(problems)
    assert by_words >= 0.85 * expected
    assert forbidden == 0


def check_state(row: Row, state: str) -> list[str]:
    tags, form = str(row["tags"]), str(row["format"])
    needs_password = bool(row.get("needs_password"))
    if needs_password:
        return [] if state == "encrypted" else [f"{row['path']}: needs a password and is {state}"]
    if form in SUPPORTED and "scanned" not in tags and state not in ("parsed", "empty"):
        return [f"{row['path']}: {state}"]
    return []


def check_document(row: Row, document: ParsedDocument) -> list[str]:
    problems: list[str] = []
    if not has_visible(document.text):
        problems.append(f"{row['path']}: nothing visible")
    if re.search(r"data:[a-z]+/|[A-Za-z0-9+/]{400}", document.text):
        problems.append(f"{row['path']}: data in the text")
    pages = row.get("pages")
    if isinstance(pages, int) and len(document.pages) != pages:
        problems.append(f"{row['path']}: {len(document.pages)} pages, not {pages}")
    chunks = chunk(document)
    if not chunks or any(one.text != document.text[one.start_char : one.end_char] for one in chunks):
        problems.append(f"{row['path']}: chunks are wrong")
    return problems


def print_table(
    states: Counter[tuple[str, str]], seconds: dict[str, float], recalls: dict[str, list[tuple[float, float]]]
) -> None:
    print(f"\n{'format':10} {'states':44} {'seconds':>8} {'recall of truth':>16} {'order':>6} {'least':>6}")
    for form in sorted(seconds):
        counts = ", ".join(f"{state} {n}" for (f, state), n in sorted(states.items()) if f == form)
        found = recalls.get(form, [])
        mean = [f"{sum(values) / len(values):.3f}" for values in zip(*found, strict=True)] if found else ["-", "-"]
        least = f"{min(r for r, _ in found):.3f}" if found else "-"
        print(f"{form:10} {counts:44} {seconds[form]:8.2f} {mean[0]:>16} {mean[1]:>6} {least:>6}")


@pytest.mark.deep
@pytest.mark.timeout(600)
async def test_damaged_files_end_and_leave_the_pool_whole(documents_folder: Path, record_figure: Figures) -> None:
    rows = [row for row in manifest(documents_folder) if cast("int", row["bytes"]) < 200_000]
    chance = random.Random(20261121)  # noqa: S311  (the same damage on every run)
    states: Counter[str] = Counter()
    async with ParserPool(children_max=2) as pool:
        for _ in range(MUTATIONS):
            row = chance.choice(rows)
            data = bytearray((documents_folder / str(row["path"])).read_bytes())
            for _ in range(chance.choice((1, 10, 200))):
                data[chance.randrange(len(data))] = chance.randrange(256)
            if chance.random() < 0.3:
                del data[chance.randrange(len(data)) :]
            try:
                document = await pool.parse(bytes(data), filename=os.path.basename(str(row["path"])))  # noqa: PTH119
                assert has_visible(document.text)
                states["parsed"] += 1
            except ParseRejected as rejection:
                states[rejection.code] += 1
    in_time = MUTATIONS - states["timeout"]
    record_figure.record("damaged files that end", in_time, unit=f"{dict(states)}", tried=MUTATIONS)
    assert sum(states.values()) == MUTATIONS
    assert states["timeout"] == 0
