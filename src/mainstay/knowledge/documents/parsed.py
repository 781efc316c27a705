"""What a file becomes before it is stored: clean text with pages and headings, cut into chunks.

All offsets are code points into `ParsedDocument.text`, half open. The module imports nothing of ours, because
the child processes that parse import it too.
"""

from dataclasses import dataclass
from typing import Literal, get_args

RejectionCode = Literal["unsupported", "encrypted", "broken", "empty", "oversized", "timeout"]
REJECTION_CODES: tuple[RejectionCode, ...] = get_args(RejectionCode)

Kind = Literal["pdf", "html", "word", "slides", "sheet", "table", "markdown", "text", "email"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class ParseRejected(Exception):
    """The file cannot become a document, and trying again would not help.

    `code` is stable and for programs; `reason` is a sentence for the person who uploaded: what was wrong, with
    the value, and what to do.
    """

    def __init__(self, code: RejectionCode, reason: str) -> None:
        super().__init__(reason)
        self.code: RejectionCode = code
        self.reason: str = reason


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a PDF, a slide or a sheet: numbered from 1, covering `text[start_char:end_char]`."""

    number: int
    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6 that stands at `start_char` and opens the section up to the next one."""

    level: int
    title: str
    start_char: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The clean text of one file.

    `content_type` is what the bytes are, not what the uploader called them. `kind` chooses the chunk rule.
    `pages` is empty where the format has none; otherwise pages are in order and do not overlap. The text always
    has something visible in it: a file without is a ParseRejected with the code `empty`.
    """

    text: str
    content_type: str
    kind: Kind
    title: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError where an offset does not fit the text: a child that was taken over may send anything."""
        end = 0
        for page in self.pages:
            if not end <= page.start_char <= page.end_char <= len(self.text):
                raise ValueError(
                    f"page {page.number} covers {page.start_char}..{page.end_char}, which overlaps or overruns"
                )
            end = page.end_char
        start = 0
        for heading in self.headings:
            if not start <= heading.start_char < len(self.text):
                raise ValueError(f"heading {heading.title!r} starts at {heading.start_char}, out of order or text")
            start = heading.start_char
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: `text == document.text[start_char:end_char]`, exactly.

    `page_first` and `page_last` are None where the format has no pages. `heading_path` names the headings that
    the passage stands under, outermost first. `sha256` is the lowercase hex digest of the text in UTF-8.
    """

    ordinal: int
    text: str
    start_char: int
    end_char: int
    page_first: int | None
    page_last: int | None
    heading_path: tuple[str, ...]
    sha256: str
