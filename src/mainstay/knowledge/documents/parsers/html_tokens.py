"""A tokeniser for HTML that reads any input once: the standard library's takes hours on a megabyte of `<a <a <a`."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_NAME = re.compile(r"[a-zA-Z][^\s/>]{0,100}")
# A tag ends at the first > outside quotes.
_REST = re.compile(r"""[^"'>]*(?:"[^"]*"[^"'>]*|'[^']*'[^"'>]*)*>""")
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
# What stands in these elements is no markup, up to their own end tag.
_RAW = {
    name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}


@dataclass(frozen=True, slots=True)
class Token:
    """A start tag, an end tag or a piece of text; `value` is the tag's name or the text, its references resolved."""

    kind: Literal["start", "end", "text"]
    value: str
    raw_attributes: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of a start tag; one without a value is empty, and of two with one name the first counts."""
        found: dict[str, str] = {}
        if self.raw_attributes:
            for match in _ATTRIBUTE.finditer(self.raw_attributes):
                value = match[2] or match[3] or match[4] or ""
                found.setdefault(match[1].lower(), html.unescape(value) if "&" in value else value)
        return found


def tokenize(source: str) -> Iterator[Token]:
    """Yield the tokens of `source` in order; comments, declarations and processing instructions are left out."""
    position, length = 0, len(source)
    while position < length:
        opened = source.find("<", position)
        if opened < 0:
            opened = length
        if opened > position:
            yield Token("text", _text(source[position:opened]))
        if opened == length:
            return
        following = source[opened + 1 : opened + 2]
        if following in ("!", "?"):
            position = _after_declaration(source, opened)
            continue
        closing = following == "/"
        name = _NAME.match(source, opened + 1 + closing)
        if name is None:
            # A lone < is text, except in </, which browsers take for a comment.
            position = source.find(">", opened) + 1 or length if closing else opened + 1
            if not closing:
                yield Token("text", "<")
            continue
        end = _tag_end(source, name.end())
        tag = name[0].lower()
        if closing:
            yield Token("end", tag)
            position = end
            continue
        raw = source[name.end() : end - 1]
        yield Token("start", tag, raw)
        position = end
        if raw.endswith("/"):
            yield Token("end", tag)
        elif tag in _RAW:
            stop = _RAW[tag].search(source, end)
            position = stop.start() if stop else length
            if position > end:
                yield Token("text", _text(source[end:position]))


def _text(raw: str) -> str:
    return html.unescape(raw) if "&" in raw else raw


def _after_declaration(source: str, opened: int) -> int:
    mark = "-->" if source.startswith("<!--", opened) else ">"
    # <!--> and <!---> are comments that end at once.
    end = source.find(mark, opened + 2)
    return end + len(mark) if end >= 0 else len(source)


def _tag_end(source: str, position: int) -> int:
    """Return the position after the tag's >; an unclosed quote ends at the next >, an unclosed tag at the end."""
    plain = source.find(">", position)
    if plain < 0:
        return len(source) + 1
    quoted = source.find('"', position, plain) >= 0 or source.find("'", position, plain) >= 0
    if not quoted:
        return plain + 1
    match = _REST.match(source, position)
    return match.end() if match else plain + 1
