"""The one way parsers write a document down: blocks in reading order, with pages and headings at exact offsets."""

from mainstay.knowledge.documents.parsed import Heading, Kind, Page, ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.cleaning import clean, has_visible, one_line, without_data
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits

TITLE_CHARS_MAX = 300


class DocumentBuilder:
    """Collects the text of one file and keeps count of its limits."""

    def __init__(self, limits: ParseLimits) -> None:
        self.limits = limits
        self._parts: list[str] = []
        self._length = 0
        self._bytes = 0
        self._visible = False
        self._item_ends_at = -1
        self._pages: list[Page] = []
        self._page_start: int | None = None
        self._headings: list[Heading] = []

    def block(self, text: str) -> None:
        """Append a paragraph, followed by a blank line."""
        self._append(without_data(clean(text)).strip("\n"), "\n\n")

    def item(self, text: str) -> None:
        """Append an item of a list; items in a row stand on lines next to each other."""
        if self._item_ends_at == self._length and self._page_start != self._length:
            self._parts[-1] = "\n"
            self._length -= 1
        self._append(without_data(clean(text)).rstrip(), "\n\n")
        self._item_ends_at = self._length

    def lines(self, rows: list[str]) -> None:
        """Append lines that belong together, such as the rows of a table, followed by a blank line."""
        self.block("\n".join(rows))

    def heading(self, level: int, title: str, *, label_only: bool = False) -> None:
        """Append a heading as a Markdown line. `label_only` is one we made up, such as a sheet's name: no content."""
        title = one_line(without_data(clean(title)))[:TITLE_CHARS_MAX]
        if not title:
            return
        if len(self._headings) >= self.limits.headings_max:
            raise ParseRejected(
                "oversized",
                f"The file has more than {self.limits.headings_max:,} headings; split it into smaller files.",
            )
        level = min(max(level, 1), 6)
        seen = self._visible
        start = self._length
        self._append(f"{'#' * level} {title}", "\n\n")
        self._headings.append(Heading(level, title, start))
        if label_only:
            self._visible = seen

    def start_page(self) -> None:
        """Begin the next page, slide or sheet; what was open ends here."""
        self.end_page()
        if len(self._pages) >= self.limits.pages_max:
            raise ParseRejected(
                "oversized", f"The file has more than {self.limits.pages_max:,} pages; split it into smaller files."
            )
        self._page_start = self._length

    def end_page(self) -> None:
        """Close the open page, if there is one."""
        if self._page_start is not None:
            self._pages.append(Page(len(self._pages) + 1, self._page_start, self._length))
            self._page_start = None

    def adopt(self, text: str, headings: list[Heading]) -> None:
        """Append text that is clean already, with headings at offsets of its own."""
        start = self._length
        self._append(text, "")
        self._headings.extend(Heading(h.level, h.title, start + h.start_char) for h in headings)

    def finish(self, *, content_type: str, kind: Kind, title: str, empty_reason: str) -> ParsedDocument:
        """Return the document, or raise ParseRejected with `empty_reason` where nothing visible was written."""
        self.end_page()
        if not self._visible:
            raise ParseRejected("empty", empty_reason)
        text = "".join(self._parts)
        title = one_line(clean(title))[:TITLE_CHARS_MAX]
        if not title and self._headings:
            title = self._headings[0].title
        return ParsedDocument(text, content_type, kind, title, tuple(self._pages), tuple(self._headings))

    def _append(self, text: str, end: str) -> None:
        if not text:
            return
        self._bytes += len(text.encode("utf-8", "replace")) + len(end)
        if self._bytes > self.limits.text_bytes_max:
            limit = self.limits.text_bytes_max / MIB
            raise ParseRejected(
                "oversized", f"The file holds more than {limit:,.0f} MiB of text; split it into smaller files."
            )
        self._parts.append(text)
        self._parts.append(end)
        self._length += len(text) + len(end)
        self._visible = self._visible or has_visible(text)
