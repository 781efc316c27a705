"""The small dialect of Markdown in which the sources of the samples are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the highest."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; the lines of its source are joined."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list; `marks` are what stands before each item ("•" or "1.", "2.", ...)."""

    marks: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of equal length; the first one is the header."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class PageBreak:
    """What follows begins on a new page."""


Block = Heading | Paragraph | Items | Table | PageBreak
LineKind = Literal["heading", "bullet", "number", "row", "break", "blank", "text"]

_PATTERNS: tuple[tuple[LineKind, re.Pattern[str]], ...] = (
    ("blank", re.compile(r"\s*$")),
    ("break", re.compile(r"---$")),
    ("heading", re.compile(r"#{1,3} ")),
    ("bullet", re.compile(r"- ")),
    ("number", re.compile(r"\d+\. ")),
    ("row", re.compile(r"\|")),
)


def parse_blocks(source: str) -> tuple[Block, ...]:
    """Split a source into blocks. Lines of one kind that follow each other make one list, table or paragraph."""
    blocks: list[Block] = []
    run: list[str] = []
    run_kind: LineKind = "blank"
    for line in [*source.splitlines(), ""]:
        kind = _kind_of(line)
        if run and (kind != run_kind or kind == "heading"):
            blocks.append(_block(run_kind, run))
            run = []
        run_kind = kind
        if kind != "blank":
            run.append(line)
    return tuple(blocks)


def _kind_of(line: str) -> LineKind:
    for kind, pattern in _PATTERNS:
        if pattern.match(line):
            return kind
    return "text"


def _block(kind: LineKind, lines: list[str]) -> Block:
    match kind:
        case "heading":
            marks, text = lines[0].split(" ", 1)
            return Heading(len(marks), text)
        case "bullet":
            return Items(tuple("•" for _ in lines), tuple(line[2:] for line in lines))
        case "number":
            pairs = [line.split(" ", 1) for line in lines]
            return Items(tuple(mark for mark, _ in pairs), tuple(text for _, text in pairs))
        case "row":
            return Table(tuple(_cells(line) for line in lines))
        case "break":
            return PageBreak()
        case _:
            return Paragraph(" ".join(lines))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))
