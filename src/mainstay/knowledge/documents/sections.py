"""The stretches of a document between headings and page breaks, each with the headings that it stands under."""

from collections.abc import Iterator
from dataclasses import dataclass

from mainstay.knowledge.documents.parsed import Heading, ParsedDocument

# On a slide or a sheet the headings of the one before say nothing; in a PDF a section goes on over the page.
_PAGES_STAND_ALONE = frozenset(("slides", "sheet"))


@dataclass(frozen=True, slots=True)
class Section:
    """`text[start:end]` under the headings `path`; its own heading, if it has one, ends before `body_start`."""

    start: int
    body_start: int
    end: int
    page: int
    path: tuple[str, ...]


def sections(parsed: ParsedDocument) -> Iterator[Section]:
    """Yield the sections of `parsed` in order; together they cover the text."""
    opened: dict[int, Heading] = {heading.start_char: heading for heading in parsed.headings}
    breaks = {page.start_char for page in parsed.pages}
    bounds = sorted({0, *breaks, *opened})
    stack: list[Heading] = []
    page = 0
    for index, start in enumerate(bounds):
        end = bounds[index + 1] if index + 1 < len(bounds) else len(parsed.text)
        if start in breaks:
            page += 1
            if parsed.kind in _PAGES_STAND_ALONE:
                stack.clear()
        heading = opened.get(start)
        if heading is not None:
            while stack and stack[-1].level >= heading.level:
                stack.pop()
            stack.append(heading)
        if start == end:
            continue
        yield Section(start, _after_heading(parsed.text, start, end, heading), end, page, tuple(h.title for h in stack))


def _after_heading(text: str, start: int, end: int, heading: Heading | None) -> int:
    if heading is None:
        return start
    line_end = text.find("\n", start, end)
    return end if line_end < 0 else line_end + 1
