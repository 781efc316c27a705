"""Blocks to a PDF with numbered pages, in the Helvetica that every reader of PDF brings along."""

from __future__ import annotations

from dataclasses import dataclass

from sample_formats.blocks import Block, Heading, Items, PageBreak, Paragraph, Table
from sample_formats.pdf_file import Bookmark, Face, pdf_file, text_width

_GAP = 8.0


@dataclass(frozen=True)
class Paper:
    """Page size, margin and size of the running text, in points."""

    width: float
    height: float
    margin: float
    text_size: float


A4 = Paper(width=595, height=842, margin=72, text_size=10.5)
A5 = Paper(width=420, height=595, margin=44, text_size=9.5)


def write_pdf(blocks: tuple[Block, ...], paper: Paper) -> bytes:
    """A PDF; its title is the first heading. A page that runs over is an error: page numbers are quoted elsewhere."""
    first = blocks[0]
    title = first.text if isinstance(first, Heading) else ""
    layout = _Layout(paper, title)
    for block in blocks:
        layout.add(block)
    return pdf_file(layout.finished(), layout.bookmarks, paper.width, paper.height, title)


class _Layout:
    """Places blocks from the top of the page down and keeps the drawing commands of each page."""

    def __init__(self, paper: Paper, title: str) -> None:
        self._paper = paper
        self._title = title
        self._pages: list[list[str]] = [[]]
        self._y = paper.height - paper.margin
        self.bookmarks: list[Bookmark] = []

    def add(self, block: Block) -> None:
        size = self._paper.text_size
        match block:
            case Heading(level, words):
                self.bookmarks.append(Bookmark(level, words, page=len(self._pages) - 1))
                heading_size = (size * 2.0, size * 1.35, size * 1.15)[level - 1]
                self._y -= 0 if self._at_top() else _GAP
                self._lines(words, Face.BOLD, heading_size, indent=0)
                self._y -= _GAP / 2
            case Paragraph(words):
                self._lines(words, Face.PLAIN, size, indent=0)
                self._y -= _GAP
            case Items(marks, texts):
                for mark, words in zip(marks, texts, strict=True):
                    self._text(mark, Face.PLAIN, size, self._paper.margin, self._y - size)
                    self._lines(words, Face.PLAIN, size, indent=size * 1.8)
                    self._y -= _GAP / 4
                self._y -= _GAP
            case Table(rows):
                self._table(rows)
            case PageBreak():
                self._end_page()
                self._pages.append([])
                self._y = self._paper.height - self._paper.margin

    def finished(self) -> list[str]:
        self._end_page()
        return ["\n".join(page) for page in self._pages]

    def _at_top(self) -> bool:
        return self._y == self._paper.height - self._paper.margin

    def _end_page(self) -> None:
        paper, number = self._paper, len(self._pages)
        if self._y < paper.margin:
            raise ValueError(f"page {number} of {self._title!r} runs over by {paper.margin - self._y:.0f} points")
        self._rule(paper.margin - 14)
        self._text(self._title, Face.PLAIN, 8, paper.margin, paper.margin - 26)
        shift = text_width(str(number), Face.PLAIN, 8)
        self._text(str(number), Face.PLAIN, 8, paper.width - paper.margin - shift, paper.margin - 26)

    def _lines(self, words: str, face: Face, size: float, indent: float) -> None:
        width = self._paper.width - 2 * self._paper.margin - indent
        for line in _wrapped(words, face, size, width):
            self._y -= size * 1.4
            self._text(line, face, size, self._paper.margin + indent, self._y + size * 0.4)

    def _table(self, rows: tuple[tuple[str, ...], ...]) -> None:
        size = self._paper.text_size - 1
        shares = [max(text_width(row[column], Face.PLAIN, size) for row in rows) for column in range(len(rows[0]))]
        room = self._paper.width - 2 * self._paper.margin
        widths = [room * share / sum(shares) for share in shares]
        for row in rows:
            face = Face.BOLD if row is rows[0] else Face.PLAIN
            cells = [_wrapped(words, face, size, width - 6) for words, width in zip(row, widths, strict=True)]
            x = self._paper.margin
            for lines, width in zip(cells, widths, strict=True):
                for number, line in enumerate(lines, start=1):
                    self._text(line, face, size, x, self._y - number * size * 1.35)
                x += width
            self._y -= max(len(lines) for lines in cells) * size * 1.35 + 4
            self._rule(self._y)
        self._y -= _GAP

    def _text(self, words: str, face: Face, size: float, x: float, y: float) -> None:
        quoted = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self._pages[-1].append(f"BT /{face.value} {size:g} Tf {x:.2f} {y:.2f} Td ({quoted}) Tj ET")

    def _rule(self, y: float) -> None:
        left, right = self._paper.margin, self._paper.width - self._paper.margin
        self._pages[-1].append(f"0.6 G 0.5 w {left:.2f} {y:.2f} m {right:.2f} {y:.2f} l S")


def _wrapped(words: str, face: Face, size: float, width: float) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, face, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
