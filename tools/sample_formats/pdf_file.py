"""The frame of a PDF file, and the widths of the letters of its two fonts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Face(Enum):
    """The name of a font in the page's resources."""

    PLAIN = "F1"
    BOLD = "F2"


@dataclass(frozen=True)
class Bookmark:
    """An entry of the outline; `page` counts from 0."""

    level: int
    title: str
    page: int


# Advance widths in thousandths of the size for the characters 32 to 126, from Adobe's metrics of the standard fonts.
_WIDTHS = {
    Face.PLAIN: (
        "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 "
        "278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 "
        "611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 "
        "556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
    ),
    Face.BOLD: (
        "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 "
        "333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 722 667 "
        "611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 556 278 889 "
        "611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584"
    ),
}
_ADVANCES = {
    face: {chr(32 + place): int(width) for place, width in enumerate(widths.split())} | {"£": 556, "·": 278, "•": 350}
    for face, widths in _WIDTHS.items()
}


def text_width(words: str, face: Face, size: float) -> float:
    """The width of the words in points. Raises KeyError for a letter outside ASCII, "£", "·" and "•"."""
    return sum(_ADVANCES[face][letter] for letter in words) * size / 1000


def pdf_file(pages: list[str], bookmarks: list[Bookmark], width: float, height: float, title: str) -> bytes:
    """A PDF 1.4 file from the drawing commands of its pages; nothing in it depends on the day or the machine."""
    first_page = 6
    first_bookmark = first_page + 2 * len(pages) + 1
    kids = " ".join(f"{first_page + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /Outlines {first_bookmark - 1} 0 R /Lang (en-GB) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        f"<< /Title ({title}) /Author (Brindlemere Weather) >>",
        _font("Helvetica"),
        _font("Helvetica-Bold"),
    ]
    for place, drawing in enumerate(pages):
        content = first_page + 2 * place + 1
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:g} {height:g}] "
            f"/Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> /Contents {content} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawing.encode('cp1252'))} >>\nstream\n{drawing}\nendstream")
    objects.append(f"<< /Type /Outlines {_children(bookmarks, None, first_bookmark)} >>")
    for place, bookmark in enumerate(bookmarks):
        destination = f"[{first_page + 2 * bookmark.page} 0 R /Fit]"
        links = _siblings(bookmarks, place, first_bookmark) + _children(bookmarks, place, first_bookmark)
        objects.append(f"<< /Title ({bookmark.title}) /Dest {destination} {links} >>")
    return _assembled(objects)


def _parent(bookmarks: list[Bookmark], place: int) -> int | None:
    """The nearest bookmark before this one that is of a higher level, or None for the outline itself."""
    level = bookmarks[place].level
    return next((before for before in reversed(range(place)) if bookmarks[before].level < level), None)


def _children(bookmarks: list[Bookmark], parent: int | None, first: int) -> str:
    children = [place for place in range(len(bookmarks)) if _parent(bookmarks, place) == parent]
    if not children:
        return ""
    return f"/First {first + children[0]} 0 R /Last {first + children[-1]} 0 R /Count {len(children)} "


def _siblings(bookmarks: list[Bookmark], place: int, first: int) -> str:
    parent = _parent(bookmarks, place)
    family = [other for other in range(len(bookmarks)) if _parent(bookmarks, other) == parent]
    number = family.index(place)
    before = f"/Prev {first + family[number - 1]} 0 R " if number > 0 else ""
    after = f"/Next {first + family[number + 1]} 0 R " if number + 1 < len(family) else ""
    return f"/Parent {first - 1 if parent is None else first + parent} 0 R {before}{after}"


def _font(name: str) -> str:
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"


def _assembled(objects: list[str]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info 3 0 R >>"
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + end.encode("ascii")
