"""What parent and child say to each other: a length, a JSON header, and the bytes that it announces.

JSON, not pickle: the child has read a stranger's file with native code and is not trusted.
"""

import json
import struct
from typing import BinaryIO, cast

from mainstay.knowledge.documents.parsed import (
    KINDS,
    REJECTION_CODES,
    Heading,
    Page,
    ParsedDocument,
    ParseRejected,
    RejectionCode,
)

Header = dict[str, object]
_LENGTHS = struct.Struct("!IQ")
HEADER_BYTES_MAX = 64 * 1024 * 1024


def write_frame(stream: BinaryIO, header: Header, body: bytes = b"") -> None:
    """Write one frame and flush it."""
    encoded = json.dumps(header, separators=(",", ":")).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(body)))
    stream.write(encoded)
    stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO, *, body_bytes_max: int) -> tuple[Header, bytes]:
    """Return the next frame. Raises EOFError where the other side has gone, ValueError where it breaks a limit."""
    header_bytes, body_bytes = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    if header_bytes > HEADER_BYTES_MAX or body_bytes > body_bytes_max:
        raise ValueError(f"a frame of {header_bytes:,} + {body_bytes:,} bytes is larger than the limit")
    header = json.loads(_read_exactly(stream, header_bytes))
    if not isinstance(header, dict):
        raise ValueError("a frame's header is not an object")
    return cast("Header", header), _read_exactly(stream, body_bytes)


def document_frame(document: ParsedDocument) -> tuple[Header, bytes]:
    """Return `document` as header and body."""
    fields: Header = {
        "state": "parsed",
        "content_type": document.content_type,
        "kind": document.kind,
        "title": document.title,
        "pages": [(page.number, page.start_char, page.end_char) for page in document.pages],
        "headings": [(heading.level, heading.title, heading.start_char) for heading in document.headings],
    }
    return fields, document.text.encode("utf-8", "replace")


def rejection_frame(rejection: ParseRejected) -> Header:
    """Return `rejection` as a header."""
    return {"state": "rejected", "code": rejection.code, "reason": rejection.reason}


def read_outcome(header: Header, body: bytes) -> ParsedDocument:
    """Return the document of a reply, or raise the ParseRejected in it; ValueError where the reply makes no sense."""
    try:
        if header["state"] == "rejected":
            codes: dict[object, RejectionCode] = {code: code for code in REJECTION_CODES}
            raise ParseRejected(codes[header["code"]], str(header["reason"]))
        return ParsedDocument(
            text=body.decode(),
            content_type=str(header["content_type"]),
            kind=next(known for known in KINDS if known == header["kind"]),
            title=str(header["title"]),
            pages=tuple(
                Page(int(n), int(s), int(e)) for n, s, e in cast("list[tuple[int, int, int]]", header["pages"])
            ),
            headings=tuple(
                Heading(int(level), str(title), int(start))
                for level, title, start in cast("list[tuple[int, str, int]]", header["headings"])
            ),
        )
    except (KeyError, TypeError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError(f"the child's reply makes no sense: {error!r}") from None


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side has gone")
    return data
