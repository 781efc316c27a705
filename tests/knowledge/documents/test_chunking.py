"""Chunks: exact, complete, small enough, and cut where a reader would cut."""

import hashlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstay.knowledge.documents.chunking import RULES, ChunkLimits, chunk
from mainstay.knowledge.documents.parsed import KINDS, Chunk, Heading, Kind, Page, ParsedDocument
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse
from mainstay.knowledge.documents.token_estimate import estimate_tokens
from tests.support.documents import make_pptx, make_xlsx

SENTENCE = "The station measures wind and rain every fifteen seconds and sends them to the hub. "


def markdown(source: str) -> ParsedDocument:
    return parse(source.encode(), "a.md", None, ParseLimits())


def text_document(text: str, kind: Kind = "text") -> ParsedDocument:
    return ParsedDocument(text, "text/plain", kind, "t")


def assert_sound(document: ParsedDocument, chunks: list[Chunk], limits: ChunkLimits | None = None) -> None:
    """Check what holds for every document: exact slices, nothing lost, right pages, sizes within the rule."""
    limits = limits or ChunkLimits()
    covered = bytearray(len(document.text))
    for ordinal, one in enumerate(chunks):
        assert one.ordinal == ordinal
        assert one.text == document.text[one.start_char : one.end_char]
        assert one.text.strip()
        assert one.sha256 == hashlib.sha256(one.text.encode()).hexdigest()
        assert len(one.text) <= limits.capacity_chars_max * 2
        covered[one.start_char : one.end_char] = b"\x01" * len(one.text)
        if document.pages:
            first = max((p.number for p in document.pages if p.start_char <= one.start_char), default=1)
            last = max((p.number for p in document.pages if p.start_char < one.end_char), default=1)
            assert (one.page_first, one.page_last) == (first, last)
        else:
            assert one.page_first is None
            assert one.page_last is None
    missed = [i for i, c in enumerate(document.text) if not covered[i] and not c.isspace()]
    assert not missed
    assert [c.start_char for c in chunks] == sorted(c.start_char for c in chunks)


words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
separators = st.sampled_from(
    [" ", "\n", "\r\n", "\n\n", "\t", ". ", "\u3000", "\u2028", "\n# ", "\n- ", "\n```\n", " | ", "😀"]
)
texts = st.lists(st.one_of(words, separators, st.just(SENTENCE * 5), st.just("漢字" * 60)), max_size=60).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    text = draw(texts)
    offsets = st.integers(0, max(len(text) - 1, 0))
    starts = sorted(draw(st.sets(offsets, max_size=6))) if text else []
    cuts = sorted(draw(st.lists(offsets, max_size=6))) if text else []
    headings = tuple(Heading(draw(st.integers(1, 6)), draw(words), start) for start in starts)
    bounds = [0, *cuts, len(text)]
    pages = tuple(Page(i + 1, a, b) for i, (a, b) in enumerate(itertools.pairwise(bounds))) if cuts else ()
    return ParsedDocument(text, "text/plain", draw(st.sampled_from(KINDS)), "t", pages, headings)


@given(documents())
@settings(max_examples=300, deadline=None)
def test_chunks_are_exact_and_lose_nothing(document: ParsedDocument) -> None:
    assert_sound(document, chunk(document))


@given(documents(), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_overlap_repeats_and_loses_nothing(document: ParsedDocument, overlap: int) -> None:
    limits = ChunkLimits({kind: replace(rule, overlap_tokens=overlap) for kind, rule in RULES.items()})
    assert_sound(document, chunk(document, limits), limits)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=3000), st.sampled_from(KINDS))
@settings(max_examples=150, deadline=None)
def test_chunks_fit_their_rule_in_any_script(text: str, kind: Kind) -> None:
    document = text_document(text, kind)
    chunks = chunk(document)
    assert_sound(document, chunks)
    for one in chunks:
        assert estimate_tokens(one.text) <= RULES[kind].tokens_max or len(one.text) <= ChunkLimits().capacity_chars_min


def test_english_chunks_have_about_a_thousand_characters_and_chinese_ones_a_fifth() -> None:
    english = chunk(text_document(SENTENCE * 200))
    assert all(700 <= len(one.text) <= 1_300 for one in english[:-1])
    assert all(one.text.endswith(".") for one in english)
    chinese = chunk(text_document("这个气象站每十五秒测量一次风和雨。" * 200))
    assert all(120 <= len(one.text) <= 240 for one in chinese[:-1])
    mixed = chunk(text_document(SENTENCE * 30 + "风和雨。" * 400 + SENTENCE * 30))
    assert all(estimate_tokens(one.text) <= RULES["text"].tokens_max for one in mixed)


def test_heading_paths_follow_the_levels() -> None:
    body = SENTENCE * 5
    document = markdown(f"# A\n\n{body}\n\n## B\n\n{body}\n\n### C\n\n{body}\n\n## D\n\n{body}\n\n# E\n\n{body}\n")
    paths = [one.heading_path for one in chunk(document)]
    assert paths == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]


def test_a_heading_is_not_left_alone_before_a_long_paragraph() -> None:
    document = markdown("# Title\n\n## Part\n\n" + SENTENCE * 40)
    chunks = chunk(document)
    assert chunks[0].text.startswith("# Title\n\n## Part\n\nThe station")
    assert {one.heading_path for one in chunks} == {("Title", "Part")}


def test_small_sections_of_one_parent_share_a_chunk() -> None:
    small = "\n\n".join(f"## Step {n}\n\nTurn the screw." for n in range(3))
    (one,) = chunk(markdown(f"# Manual\n\n{small}\n"))
    assert one.heading_path == ("Manual",)
    apart = chunk(markdown(f"# One\n\n{SENTENCE * 4}\n\n# Two\n\nShort.\n"))
    assert [c.heading_path for c in apart] == [("One",), ("Two",)]


def test_rows_of_a_sheet_are_whole_and_sheets_stay_apart() -> None:
    rows: list[list[str | float]] = [
        ["Part", "Name", "Price"],
        *([f"A-{n}", f"Wheel number {n}", n * 1.5] for n in range(100)),
    ]
    document = parse(make_xlsx({"Parts": rows, "Other": [["x", "y"], ["z", "w"]]}), "a.xlsx", None, ParseLimits())
    chunks = chunk(document)
    assert_sound(document, chunks)
    assert len(chunks) > 5
    lines = {line for one in chunks for line in one.text.split("\n")}
    assert "Part: A-42 | Name: Wheel number 42 | Price: 63" in lines
    assert chunks[-1].heading_path == ("Other",)
    assert chunks[-1].page_first == chunks[-1].page_last == 2


def test_slides_keep_their_own_titles_and_pages() -> None:
    long = [SENTENCE * 3]
    document = parse(make_pptx([("One", long), ("", long), ("Three", long * 6)]), "a.pptx", None, ParseLimits())
    chunks = chunk(document)
    assert_sound(document, chunks)
    assert [(c.heading_path, c.page_first) for c in chunks][:3] == [(("One",), 1), ((), 2), (("Three",), 3)]


def test_overlap_is_tunable_for_each_kind() -> None:
    document = text_document(SENTENCE * 100)
    limits = ChunkLimits({**RULES, "text": replace(RULES["text"], overlap_tokens=40)})
    overlapping, plain = chunk(document, limits), chunk(document)
    assert all(a.end_char > b.start_char for a, b in itertools.pairwise(overlapping))
    assert all(a.end_char <= b.start_char for a, b in itertools.pairwise(plain))


@pytest.mark.parametrize("text", ["", " \n\t", "\r\n"])
def test_nothing_visible_makes_no_chunk(text: str) -> None:
    assert chunk(text_document(text)) == []


def test_a_word_without_end_is_cut() -> None:
    document = text_document("x" * 20_000)
    chunks = chunk(document)
    assert_sound(document, chunks)
    assert max(len(one.text) for one in chunks) <= ChunkLimits().capacity_chars_max
