"""Text as a reader sees it: no control characters, no ligatures, no data hidden in the text."""

import re
import unicodedata

_NEWLINES = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
# PostgreSQL refuses NUL, UTF-8 refuses surrogates, and the rest is invisible: format marks, soft hyphens,
# non-characters and the private use area, whose glyphs only the embedded font knew.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\ue000-\uf8ff]"
)
_LIGATURES = {
    "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st",
    "\u00a0": " ", "\u202f": " ", "\u2007": " ",
}  # fmt: skip
_REPLACED = re.compile("[" + "".join(_LIGATURES) + "]")
_BULLETS = re.compile("[\uf0b7\uf0a7\uf0d8\uf076\uf06e]")

_DATA_IMAGE = re.compile(r"!\[([^\]\n]{0,500})\]\(\s*data:[^)\s]*\s*(?:\"[^\"\n]*\")?\)", re.IGNORECASE)
_DATA_URI = re.compile(r"data:[a-z0-9.+/-]{1,80}(?:;[a-z0-9=._-]{1,80}){0,4},[^\s\"'<>)\]]*", re.IGNORECASE)
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]{256,}={0,2}")

_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")
_INLINE_SPACE = re.compile(r"[^\S\n]+")
# These count as letters for Unicode and show nothing.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def clean(text: str) -> str:
    """Return `text` with one kind of newline and without what no reader can see."""
    if "\r" in text or not text.isascii() or "\x0c" in text or "\x0b" in text:
        text = _NEWLINES.sub("\n", text)
    if not text.isascii():
        text = _REPLACED.sub(lambda match: _LIGATURES[match[0]], text)
        text = _BULLETS.sub("•", text)
    return _INVISIBLE.sub("", text)


def without_data(text: str) -> str:
    """Return `text` without data: URIs and base64 blobs, which would drown the words in a search index."""
    if "data:" in text or "DATA:" in text:
        text = _DATA_IMAGE.sub(r"\1", text)
        text = _DATA_URI.sub("", text)
    return _BASE64_RUN.sub(_drop_blob, text)


def _drop_blob(match: re.Match[str]) -> str:
    run = match[0]
    mixed = any(c.isdigit() for c in run) and any(c.isupper() for c in run) and any(c.islower() for c in run)
    return "" if mixed else run


def one_line(text: str) -> str:
    """Return `text` with every run of white space as one space: for titles, cells and inline content."""
    return " ".join(text.split())


def squeeze(text: str) -> str:
    """Return `text` with single spaces inside lines, no spaces at their ends, and no more than one blank line."""
    text = _INLINE_SPACE.sub(" ", text)
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    return _BLANK_LINES.sub("\n\n", text).strip()


def has_visible(text: str) -> bool:
    """Say whether a reader would find a letter, a digit or a symbol such as an emoji in `text`."""
    return any((c.isalnum() or unicodedata.category(c) == "So") and c not in _FILLERS for c in text)
