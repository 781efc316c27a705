"""EML: the headers that people search by, the body, forwarded mails inside it, and the names of attachments."""

import email
import email.policy
from email.message import MIMEPart
from email.utils import parsedate_to_datetime

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.cleaning import clean, one_line
from mainstay.knowledge.documents.parsers.html import write_html
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES

_HEADERS = ("From", "To", "Cc", "Date")
_MAILS_NESTED_MAX = 5
_PARTS_MAX = 1_000
_TEXT_ATTACHMENT_BYTES_MAX = 256 * 1024


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the mail `data`. Raises ParseRejected."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    builder = DocumentBuilder(limits)
    _write(message, builder, depth=1)
    return builder.finish(
        content_type=CONTENT_TYPES["eml"],
        kind="email",
        title=_header(message, "Subject") or filename.rpartition(".")[0] or filename,
        empty_reason=f"{filename!r} has neither headers nor a body to read; save the mail again from the mail program.",
    )


def _write(message: MIMEPart, builder: DocumentBuilder, depth: int) -> None:
    if depth > _MAILS_NESTED_MAX:
        raise ParseRejected(
            "oversized", f"The mail holds mails nested deeper than {_MAILS_NESTED_MAX}; save the inner ones alone."
        )
    builder.heading(depth, _header(message, "Subject"))
    lines = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    builder.lines(lines)
    unread = {id(part) for part in _unread_versions(message)}
    parts = [part for part in _parts(message) if id(part) not in unread]
    if len(parts) > _PARTS_MAX:
        raise ParseRejected("oversized", f"The mail has more than {_PARTS_MAX:,} parts; save its attachments alone.")
    for part in parts:
        if not _is_attachment(part):
            _write_part(part, builder, depth)
    for part in filter(_is_attachment, parts):
        builder.block(_attachment(part))
        if part.get_content_type() == "text/plain" and len(_payload(part)) <= _TEXT_ATTACHMENT_BYTES_MAX:
            builder.block(_text(part))


def _write_part(part: MIMEPart, builder: DocumentBuilder, depth: int) -> None:
    if part.get_content_type() == "message/rfc822":
        for inner in part.iter_parts() if part.is_multipart() else ():
            _write(inner, builder, depth + 1)
    elif part.get_content_type() == "text/html":
        write_html(_text(part), builder)
    elif part.get_content_maintype() == "text":
        builder.block(_unfolded(_text(part)))


def _is_attachment(part: MIMEPart) -> bool:
    named = bool(part.get_filename()) or part.get_content_disposition() == "attachment"
    return named and part.get_content_type() != "message/rfc822"


def _parts(message: MIMEPart) -> list[MIMEPart]:
    """Return the leaves of `message` in order; a mail inside it is one leaf."""
    leaves: list[MIMEPart] = []
    queue = [message]
    while queue and len(leaves) <= _PARTS_MAX:
        part = queue.pop(0)
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            queue[:0] = list(part.iter_parts())
        else:
            leaves.append(part)
    return leaves


def _unread_versions(message: MIMEPart) -> list[MIMEPart]:
    """Return the versions of a body that are not read, because a better one of the same body is."""
    unread: list[MIMEPart] = []
    for part in message.walk():
        if part.get_content_type() == "multipart/alternative":
            versions = list(part.iter_parts())
            plain = [v for v in versions if v.get_content_type() == "text/plain" and _text(v).strip()]
            # The sender's own plain text has no layout tables in it.
            unread.extend(leaf for v in versions if plain and v is not plain[0] for leaf in _parts(v))
    return unread


def _header(message: MIMEPart, name: str) -> str:
    try:
        value = one_line(clean(str(message.get(name, ""))))
        if name == "Date" and value:
            return parsedate_to_datetime(value).isoformat(sep=" ")
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        # The header parsers of the standard library stumble over some malformed addresses and dates.
        raw = next((v for k, v in message.raw_items() if k.lower() == name.lower()), "")
        return one_line(clean(str(raw)))
    return value


def _payload(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: MIMEPart) -> str:
    return clean(decode(_payload(part), part.get_content_charset()))


def _unfolded(text: str) -> str:
    """Undo what mail programs do to long lines (format=flowed leaves a space at the end of a line that goes on)."""
    return text.replace(" \n", " ").strip()


def _attachment(part: MIMEPart) -> str:
    name = one_line(clean(part.get_filename() or "without a name"))
    return f"Attachment: {name} ({part.get_content_type()}, {len(_payload(part)):,} bytes)"
