"""EML: the headers that people search by, the body, forwarded mails inside it, and the names of attachments."""

import email
import email.policy
from email.message import EmailMessage
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


def _write(message: EmailMessage, builder: DocumentBuilder, depth: int) -> None:
    if depth > _MAILS_NESTED_MAX:
        raise ParseRejected(
            "oversized", f"The mail holds mails nested deeper than {_MAILS_NESTED_MAX}; save the inner ones alone."
        )
    builder.heading(depth, _header(message, "Subject"))
    lines = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
    builder.lines(lines)
    attachments: list[str] = []
    unread = {id(part) for part in _unread_versions(message)}
    for count, part in enumerate(_parts(message)):
        if count >= _PARTS_MAX:
            raise ParseRejected(
                "oversized", f"The mail has more than {_PARTS_MAX:,} parts; save its attachments alone."
            )
        if part.get_content_type() == "message/rfc822":
            for inner in part.iter_parts() if part.is_multipart() else ():
                if isinstance(inner, EmailMessage):
                    _write(inner, builder, depth + 1)
        elif part.get_filename() or part.get_content_disposition() == "attachment":
            attachments.append(_attachment(part))
            if part.get_content_type() == "text/plain" and len(_payload(part)) <= _TEXT_ATTACHMENT_BYTES_MAX:
                attachments.append(_text(part))
        elif part.get_content_type() == "text/html":
            if id(part) not in unread:
                write_html(_text(part), builder)
        elif part.get_content_maintype() == "text" and id(part) not in unread:
            builder.block(_unfolded(_text(part)))
    for attachment in attachments:
        builder.block(attachment)


def _parts(message: EmailMessage) -> list[EmailMessage]:
    """Return the leaves of `message` in order; a mail inside it is one leaf."""
    leaves: list[EmailMessage] = []
    queue = [message]
    while queue and len(leaves) <= _PARTS_MAX:
        part = queue.pop(0)
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            queue[:0] = [inner for inner in part.iter_parts() if isinstance(inner, EmailMessage)]
        else:
            leaves.append(part)
    return leaves


def _unread_versions(message: EmailMessage) -> list[EmailMessage]:
    """Return the versions of a body that are not read, because a better one of the same body is."""
    unread: list[EmailMessage] = []
    for part in message.walk():
        if part.get_content_type() == "multipart/alternative" and isinstance(part, EmailMessage):
            versions = [v for v in part.iter_parts() if isinstance(v, EmailMessage)]
            plain = [v for v in versions if v.get_content_type() == "text/plain" and _text(v).strip()]
            # The sender's own plain text has no layout tables in it.
            unread.extend(leaf for v in versions if plain and v is not plain[0] for leaf in _parts(v))
    return unread


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = one_line(clean(str(message.get(name, ""))))
        if name == "Date" and value:
            return parsedate_to_datetime(value).isoformat(sep=" ")
    except (ValueError, TypeError, IndexError, AttributeError, LookupError):
        # The header parsers of the standard library stumble over some malformed addresses and dates.
        raw = next((v for k, v in message.raw_items() if k.lower() == name.lower()), "")
        return one_line(clean(str(raw)))
    return value


def _payload(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: EmailMessage) -> str:
    return clean(decode(_payload(part), part.get_content_charset()))


def _unfolded(text: str) -> str:
    """Undo what mail programs do to long lines (format=flowed leaves a space at the end of a line that goes on)."""
    return text.replace(" \n", " ").strip()


def _attachment(part: EmailMessage) -> str:
    name = one_line(clean(part.get_filename() or "without a name"))
    return f"Attachment: {name} ({part.get_content_type()}, {len(_payload(part)):,} bytes)"
