"""PDF through pdfium: page by page, lines joined back into paragraphs, bookmarks as headings."""

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from mainstay.knowledge.documents.parsed import Heading, ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import TITLE_CHARS_MAX, DocumentBuilder
from mainstay.knowledge.documents.parsers.cleaning import clean, one_line
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.paragraphs import join_lines
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES

_BOOKMARKS_MAX = 5_000
_BOOKMARK_DEPTH_MAX = 15
_TITLES_OF_PROGRAMS = ("microsoft word - ", "microsoft powerpoint - ", "untitled")


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the PDF `data`, with its page numbers. Raises ParseRejected."""
    document = _open(data, filename)
    try:
        count = len(document)
        if count > limits.pages_max:
            raise ParseRejected(
                "oversized",
                f"{filename!r} has {count:,} pages, more than {limits.pages_max:,}; split it into smaller files.",
            )
        pages, pictures, unreadable = _read_pages(document, count)
        if count and unreadable == count:
            raise ParseRejected(
                "broken", f"None of the {count:,} pages of {filename!r} can be read; save the PDF again."
            )
        return _write(document, pages, filename, limits, _empty_reason(filename, count, pictures))
    finally:
        document.close()


def _open(data: bytes, filename: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_PASSWORD:
            raise ParseRejected(
                "encrypted", f"{filename!r} opens only with a password; save it without one and upload it again."
            ) from None
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_SECURITY:
            raise ParseRejected(
                "encrypted", f"{filename!r} is encrypted in a way that cannot be opened; save it without protection."
            ) from None
        raise ParseRejected(
            "broken",
            f"{filename!r} is no readable PDF ({error}); it may be cut off, so upload it again or save it anew.",
        ) from None


def _read_pages(document: pdfium.PdfDocument, count: int) -> tuple[list[str], int, int]:
    """Return the text of each page, how many pages without text hold pictures, and how many cannot be read."""
    texts: list[str] = []
    pictures = unreadable = 0
    for index in range(count):
        try:
            page = document[index]
            text_page = page.get_textpage()
        except pdfium.PdfiumError:
            texts.append("")
            unreadable += 1
            continue
        # get_text_range leaves broken surrogates to the error handler, and clean() takes them out.
        text = join_lines(text_page.get_text_range(errors="replace"))
        if not text.strip() and next(iter(page.get_objects(filter=(pdfium_c.FPDF_PAGEOBJ_IMAGE,), max_depth=3)), None):
            pictures += 1
        texts.append(text)
        text_page.close()
        page.close()
    return texts, pictures, unreadable


def _write(
    document: pdfium.PdfDocument, pages: list[str], filename: str, limits: ParseLimits, empty_reason: str
) -> ParsedDocument:
    bookmarks = _bookmarks(document, len(pages))
    builder = DocumentBuilder(limits)
    for index, text in enumerate(pages):
        builder.start_page()
        if text:
            builder.adopt(text + "\n\n", _locate(bookmarks.get(index, []), text))
    title = one_line(clean(document.get_metadata_value("Title")))
    if title.lower().startswith(_TITLES_OF_PROGRAMS):
        title = ""
    return builder.finish(
        content_type=CONTENT_TYPES["pdf"],
        kind="pdf",
        title=title or filename.rpartition(".")[0] or filename,
        empty_reason=empty_reason,
    )


def _bookmarks(document: pdfium.PdfDocument, count: int) -> dict[int, list[tuple[int, str]]]:
    """Return the outline as {page index: [(level, title)]}; one that is damaged counts as none."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for number, bookmark in enumerate(document.get_toc(max_depth=_BOOKMARK_DEPTH_MAX)):
            if number >= _BOOKMARKS_MAX:
                break
            destination = bookmark.get_dest()
            index = destination.get_index() if destination else None
            title = one_line(clean(bookmark.get_title()))[:TITLE_CHARS_MAX]
            if index is not None and 0 <= index < count and title:
                found.setdefault(index, []).append((min(bookmark.level + 1, 6), title))
    except (pdfium.PdfiumError, ValueError, UnicodeError):
        return {}
    return found


def _locate(bookmarks: list[tuple[int, str]], text: str) -> list[Heading]:
    """Place bookmarks where their titles stand in the page's `text`; one that does not stand there is dropped."""
    headings: list[Heading] = []
    lowered = text.lower()
    at = 0
    for level, title in bookmarks:
        # Lower case changes the length of a few letters, and then offsets would lie.
        start = lowered.find(title.lower(), at) if len(lowered) == len(text) else text.find(title, at)
        if start < 0:
            continue
        line = text.rfind("\n", 0, start) + 1
        at = start + len(title)
        # A section's number stands before the title that the outline has.
        start = line if start - line <= 12 and line >= (headings[-1].start_char + 1 if headings else 0) else start
        headings.append(Heading(level, title, start))
    return headings


def _empty_reason(filename: str, count: int, pictures: int) -> str:
    pages = f"{count:,} page" if count == 1 else f"{count:,} pages"
    if pictures:
        return f"{filename!r} has {pages} of images and no text; run text recognition first and upload the result."
    return f"{filename!r} has {pages} and no text on any of them; upload a file with words."
