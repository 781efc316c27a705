"""What a file is: by its bytes first, then by what is inside its archive, and only then by its name."""

import re
from typing import Literal

from mainstay.knowledge.documents.parsed import ParseRejected
from mainstay.knowledge.documents.parsers.archives import Archive

Format = Literal[
    "pdf", "html", "docx", "pptx", "xlsx", "markdown", "text", "csv", "eml", "asciidoc", "vtt", "ipynb", "xml", "rtf",
    "odt", "odp", "ods", "epub", "doc", "ppt", "xls", "msg",
]  # fmt: skip

CONTENT_TYPES: dict[Format, str] = {
    "pdf": "application/pdf",
    "html": "text/html",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "markdown": "text/markdown",
    "text": "text/plain",
    "csv": "text/csv",
    "eml": "message/rfc822",
    "asciidoc": "text/asciidoc",
    "vtt": "text/vtt",
    "ipynb": "application/x-ipynb+json",
    "xml": "application/xml",
    "rtf": "application/rtf",
    "odt": "application/vnd.oasis.opendocument.text",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "msg": "application/vnd.ms-outlook",
}
_FORMAT_OF_TYPE: dict[str, Format] = {
    **{content_type: name for name, content_type in CONTENT_TYPES.items()},
    "text/x-markdown": "markdown",
    "application/xhtml+xml": "html",
    "text/xml": "xml",
    "text/tab-separated-values": "csv",
}
_FORMAT_OF_EXTENSION: dict[str, Format] = {
    "md": "markdown", "markdown": "markdown", "mdx": "markdown", "csv": "csv", "tsv": "csv", "eml": "eml",
    "htm": "html", "html": "html", "xhtml": "html", "adoc": "asciidoc", "asciidoc": "asciidoc",
    "vtt": "vtt", "srt": "vtt",
    "ipynb": "ipynb", "xml": "xml", "nxml": "xml", "rss": "xml", "atom": "xml", "txt": "text",
}  # fmt: skip

# Formats that we know and do not read, with what a person can do about it.
_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*|BM.{4}\0\0\0\0|RIFF.{4}WEBP", re.DOTALL),
     "is an image; run text recognition on it first and upload the text or a searchable PDF"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf'\x1c|Rar!\x1a|\x28\xb5\x2f\xfd"),
     "is a compressed archive; unpack it and upload the documents in it"),
    (re.compile(rb"RIFF.{4}(?:WAVE|AVI )|ID3|OggS|fLaC|.{4}ftyp|\x1aE\xdf\xa3|\xff\xfb", re.DOTALL),
     "is sound or video; upload a transcript of it"),
    (re.compile(rb"\x7fELF|MZ|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe|\0asm"), "is a program, not a document"),
    (re.compile(rb"SQLite format 3\0|PAR1|\x89HDF"), "is a database; export what matters as CSV and upload that"),
)  # fmt: skip
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Stream names of an OLE container stand in its directory as UTF-16.
_OLE_STREAMS: tuple[tuple[str, Format | Literal["encrypted"]], ...] = (
    ("EncryptedPackage", "encrypted"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("__properties_version1.0", "msg"),
    ("Book", "xls"),
)
_MAIN_PARTS: tuple[tuple[str, Format], ...] = (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx"))
_OPEN_DOCUMENT: dict[bytes, Format] = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/epub+zip": "epub",
}
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MAIL = re.compile(
    rb"(?:(?:From|To|Subject|Date|Received|Return-Path|Message-ID|MIME-Version|Delivered-To|X-[\w-]+|DKIM-Signature):)",
    re.IGNORECASE,
)
_MAIL_HEADERS = re.compile(
    rb"^(?:From|To|Subject|Date|Message-ID|MIME-Version|Received):", re.IGNORECASE | re.MULTILINE
)
SNIFF_BYTES = 4096


def sniff(data: bytes, filename: str, content_type: str | None, archive: Archive | None) -> Format:
    """Return the format of `data`. `archive` is the file opened as a zip, where it is one.

    Raises ParseRejected: `unsupported` with the reason for formats that are not read, `encrypted` for Office files
    under a password.
    """
    head = data[:SNIFF_BYTES]
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if archive is not None:
        return _inside_archive(archive, filename)
    if head.startswith(_OLE_MAGIC):
        return _inside_ole(data, filename)
    if head.startswith(b"{\\rtf"):
        return "rtf"
    for magic, sentence in _REFUSED:
        if magic.match(head):
            raise ParseRejected("unsupported", f"{filename!r} {sentence}.")
    return _textual(data, head, filename, content_type)


def extension(filename: str) -> str:
    """Return the lower-case extension of `filename` without its dot; empty where it has none."""
    stem, dot, last = filename.rpartition(".")
    return last.lower() if dot and stem else ""


def _inside_archive(archive: Archive, filename: str) -> Format:
    if "mimetype" in archive and (found := _OPEN_DOCUMENT.get(archive.read("mimetype").strip())):
        return found
    if "[Content_Types].xml" in archive:
        for folder, name in _MAIN_PARTS:
            if any(entry.startswith(folder) for entry in archive.names):
                return name
    if "META-INF/container.xml" in archive:
        return "epub"
    raise ParseRejected(
        "unsupported",
        f"{filename!r} is an archive of {len(archive.names):,} files; unpack it and upload the documents in it.",
    )


def _inside_ole(data: bytes, filename: str) -> Format:
    for stream, name in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            if name == "encrypted":
                raise ParseRejected(
                    "encrypted", f"{filename!r} is protected by a password; save it without one and upload it again."
                )
            return name
    raise ParseRejected(
        "unsupported",
        f"{filename!r} is an old Office container of a kind that is not read; save it in a current format.",
    )


def _textual(data: bytes, head: bytes, filename: str, content_type: str | None) -> Format:
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\x00" in head and not wide and head.count(0) * 10 < len(head) * 3:
        raise ParseRejected(
            "unsupported",
            f"{filename!r} is binary data of a kind that is not read; save it as PDF, Office, HTML or text.",
        )
    if not wide and _is_noise(head):
        raise ParseRejected(
            "unsupported", f"{filename!r} holds no text in any known charset; save it as PDF, Office, HTML or text."
        )
    named = _FORMAT_OF_EXTENSION.get(extension(filename))
    if named is None and content_type:
        named = _FORMAT_OF_TYPE.get(content_type.partition(";")[0].strip().lower())
    bare = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    # A page under the name of a text file is a page, but a Markdown or notebook file may begin with a tag.
    if named not in ("markdown", "xml", "asciidoc", "ipynb", "csv", "eml") and _HTML.match(bare):
        return "html"
    if named in (None, "text") and bare.startswith(b"WEBVTT"):
        return "vtt"
    if named in (None, "text") and _MAIL.match(bare) and len(_MAIL_HEADERS.findall(bare)) >= 2:
        return "eml"
    if named is None and bare.startswith(b"<?xml"):
        return "xml"
    if named in ("xml", "html", "ipynb", "eml", "vtt"):
        return _confirm(named, bare, data)
    return named if named in ("markdown", "csv", "asciidoc") else "text"


def _confirm(named: Format, bare: bytes, data: bytes) -> Format:
    """Return `named` if the bytes agree with it; otherwise the file is read as the text that it is."""
    agrees = {
        "xml": bare.startswith(b"<"),
        "html": b"<" in bare,
        "ipynb": bare.startswith(b"{") and b'"cells"' in data,
        "eml": bool(re.match(rb"[\w-]+:", bare)) or bare.startswith(b"From "),
        "vtt": b"-->" in data,
    }
    if named == "xml" and _HTML.match(bare):
        return "html"
    return named if agrees[named] else "text"


def _is_noise(head: bytes) -> bool:
    controls = sum(1 for byte in head if byte < 32 and byte not in (8, 9, 10, 12, 13, 27))
    return controls * 50 > len(head)
