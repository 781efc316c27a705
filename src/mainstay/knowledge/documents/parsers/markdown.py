"""Markdown and notebooks: the source is the text; front matter, code and headings are told apart."""

import json
import re
from typing import cast

from mainstay.knowledge.documents.parsed import Heading, ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import TITLE_CHARS_MAX, DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.cleaning import clean, without_data
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE_LINE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# Lines that may make a heading or switch headings off: hashes, fences, and underlines of = or -.
_CANDIDATE = re.compile(r"\n {0,3}(?=[#=`~-])")
_FENCE = re.compile(r"`{3,}|~{3,}")
_HASHES = re.compile(r"(#{1,6})(?:[ \t]+|$)")
_UNDERLINE = re.compile(r"(?:=+|-{2,})[ \t]*")
_NO_PARAGRAPH = re.compile(r"[-*+>|#=]|\d+[.)]|`{3}|~{3}")
_LINE_CHARS_MAX = 1_000
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`]|(?<!\w)_|_(?!\w)|<[^>]{1,200}>|\\(?=[^\w\s])")


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the Markdown source `data`. Raises ParseRejected."""
    text = clean(decode(data))
    title = ""
    if front := _FRONT_MATTER.match(text):
        found = _TITLE_LINE.search(front[1] or "")
        title = found[1] if found else ""
        text = text[front.end() :]
    text = without_data(_COMMENT.sub("", text))
    return _document(text, title, filename, limits, "markdown")


def parse_notebook(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the cells of the Jupyter notebook `data`: prose as it stands, code fenced, outputs as text."""
    try:
        notebook = json.loads(decode(data))
        cells = [cast("dict[str, object]", cell) for cell in notebook["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseRejected("broken", f"{filename!r} is no readable notebook ({error!r}); save it again.") from None
    blocks: list[str] = []
    for cell in cells:
        source = _joined(cell.get("source"))
        if cell.get("cell_type") == "code" and source.strip():
            blocks.append(f"```python\n{source.rstrip()}\n```")
        elif source.strip():
            blocks.append(source.strip())
        blocks.extend(_outputs(cell.get("outputs")))
    return _document(without_data(clean("\n\n".join(blocks))), "", filename, limits, "ipynb")


def find_headings(text: str) -> list[Heading]:
    """Return the headings of a Markdown source, at the offsets of their lines."""
    headings: list[Heading] = []
    fence = ""
    # A line feed in front lets the first line be found like the others; offsets are one too high until used.
    source = "\n" + text
    for candidate in _CANDIDATE.finditer(source):
        start = candidate.end()
        end = source.find("\n", start)
        line = source[start : min(end if end >= 0 else len(source), start + _LINE_CHARS_MAX)].rstrip()
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[0]
            elif mark[0].startswith(fence) and mark[0] == line:
                fence = ""
        elif not fence and (heading := _heading(source, candidate.start(), line)):
            headings.append(heading)
    return headings


def _heading(source: str, before: int, line: str) -> Heading | None:
    """Return the heading that `line` makes, of itself or of the paragraph line that ends at `before`."""
    start = before
    if hashes := _HASHES.match(line):
        level, title = len(hashes[1]), line[hashes.end() :].rstrip("#").rstrip()
    elif before > 0 and _UNDERLINE.fullmatch(line):
        start = source.rfind("\n", 0, before)
        level, title = 1 if line.startswith("=") else 2, source[start + 1 : before].strip()
        if len(title) > TITLE_CHARS_MAX or _NO_PARAGRAPH.match(title):
            return None
    else:
        return None
    title = _INLINE.sub(r"\1", title[:_LINE_CHARS_MAX]).strip()[:TITLE_CHARS_MAX]
    return Heading(level, title, start) if title else None


def _document(text: str, title: str, filename: str, limits: ParseLimits, name: str) -> ParsedDocument:
    headings = find_headings(text)
    if len(headings) > limits.headings_max:
        raise ParseRejected("oversized", f"{filename!r} has more than {limits.headings_max:,} headings; split it up.")
    builder = DocumentBuilder(limits)
    builder.adopt(text, headings)
    return builder.finish(
        content_type=CONTENT_TYPES["ipynb" if name == "ipynb" else "markdown"],
        kind="markdown",
        title=title or (headings[0].title if headings else filename.rpartition(".")[0] or filename),
        empty_reason=f"{filename!r} has no visible text in it ({len(text):,} characters); upload a file with words.",
    )


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(str(line) for line in cast("list[object]", source))
    return source if isinstance(source, str) else ""


def _outputs(outputs: object) -> list[str]:
    texts: list[str] = []
    for output in cast("list[object]", outputs) if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            fields = cast("dict[str, object]", output)
            data = fields.get("data")
            shown = cast("dict[str, object]", data).get("text/plain") if isinstance(data, dict) else None
            texts.append(_joined(fields.get("text")) or _joined(shown))
    return [text.strip() for text in texts if text.strip()]
