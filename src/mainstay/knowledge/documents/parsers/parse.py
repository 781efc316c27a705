"""The one door of the parsers: bytes in, a document or a ParseRejected out. Runs inside the child process."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import Format, sniff

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PACKAGE = __name__.rpartition(".")[0]
# Parsers are loaded when first needed: a child that only sees Markdown never loads pdfium or kreuzberg.
_PARSERS: dict[Format, tuple[str, str]] = {
    "pdf": ("pdf", "parse"),
    "html": ("html", "parse"),
    "docx": ("word", "parse"),
    "pptx": ("slides", "parse"),
    "xlsx": ("sheets", "parse"),
    "markdown": ("markdown", "parse"),
    "ipynb": ("markdown", "parse_notebook"),
    "text": ("plain", "parse"),
    "asciidoc": ("plain", "parse_asciidoc"),
    "vtt": ("plain", "parse_captions"),
    "csv": ("delimited", "parse"),
    "eml": ("mail", "parse"),
    "xml": ("generic_xml", "parse"),
    "odt": ("opendocument", "parse"),
    "odp": ("opendocument", "parse"),
    "ods": ("opendocument", "parse"),
    "epub": ("epub", "parse"),
    "rtf": ("legacy", "parse"),
    "doc": ("legacy", "parse"),
    "ppt": ("legacy", "parse"),
    "xls": ("legacy", "parse"),
    "msg": ("legacy", "parse"),
}
_TAKES_FORMAT = frozenset(("opendocument", "legacy"))


def parse(data: bytes, filename: str, content_type: str | None, limits: ParseLimits) -> ParsedDocument:
    """Return the document in `data`.

    `filename` and `content_type` are the uploader's words: they are used in messages and where the bytes do not
    tell, never against the bytes. Raises ParseRejected for every file that is not read, whatever is wrong with it.
    """
    if len(data) > limits.bytes_max:
        raise ParseRejected(
            "oversized",
            f"{filename!r} has {len(data) / MIB:,.1f} MiB, more than {limits.bytes_max / MIB:,.0f}; "
            "split it into smaller files.",
        )
    if not data.strip(b"\x00\t\n\r "):
        raise ParseRejected("empty", f"{filename!r} has {len(data):,} bytes and nothing in them; upload it again.")
    try:
        archive = Archive(data, limits) if data.startswith(_ZIP_MAGIC) else None
        name = sniff(data, filename, content_type, archive)
        return _parse_as(name, data, archive, filename, content_type, limits)
    except MemoryError:
        raise ParseRejected(
            "oversized", f"{filename!r} needs more memory than a parse may use; split it into smaller files."
        ) from None
    except RecursionError:
        raise ParseRejected(
            "oversized", f"{filename!r} nests too deeply to be read; save it anew or flatten it."
        ) from None


def _parse_as(
    name: Format, data: bytes, archive: Archive | None, filename: str, content_type: str | None, limits: ParseLimits
) -> ParsedDocument:
    module_name, function = _PARSERS[name]
    run = cast("Callable[..., ParsedDocument]", getattr(import_module(f"{_PACKAGE}.{module_name}"), function))
    source = data if archive is None or name == "pdf" else archive
    if module_name in _TAKES_FORMAT:
        return run(source, filename, limits, name)
    if name == "html":
        return run(source, filename, limits, content_type)
    return run(source, filename, limits)
