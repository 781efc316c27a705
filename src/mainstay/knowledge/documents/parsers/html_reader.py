"""The events of an HTML tokeniser turned into blocks: paragraphs, headings, list items, code and tables."""

import re
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Literal

from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.html_tables import HtmlTable
from mainstay.knowledge.documents.parsers.html_tokens import Token, tokenize
from mainstay.knowledge.documents.parsers.tables import Row

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "main",
        "menu",
        "ol",
        "p",
        "section",
        "summary",
        "ul",
    ]
)
_NEVER_SHOWN = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "svg",
        "canvas",
        "audio",
        "video",
        "select",
        "datalist",
        "textarea",
    ]
)
_NOISE_TAGS = frozenset(("nav", "button"))
_NOISE_ROLES = frozenset(("navigation", "menu", "menubar", "search", "button"))
_NOISE_CLASSES = frozenset(
    ("noprint", "sr-only", "visually-hidden", "screen-reader-text", "skip-link", "mw-editsection", "mw-jump-link",
     "reference", "navbox", "vector-dropdown")
)  # fmt: skip
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ALT_WORDS_MIN = 3
_TABLES_NESTED_MAX = 30
_LISTS_NESTED_MAX = 30


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the page; `rows` is filled for tables, `level` for headings."""

    kind: Literal["text", "heading", "item", "table"]
    text: str = ""
    level: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    marked_header: bool = False


class HtmlReader:
    """Reads one page into `blocks`; it never fails on bad markup.

    `only_main` keeps what stands in the page's main part; `skip_noise` leaves menus, buttons and what is marked
    as not for readers out.
    """

    def __init__(self, *, only_main: bool, skip_noise: bool) -> None:
        self.blocks: list[Block] = []
        self.chars = 0
        self.title = ""
        self._only_main = only_main
        self._skip_noise = skip_noise
        self._main_depth = 0
        # The element that is left out, and how many of its name are open inside it.
        self._skipped: tuple[str, int] | None = None
        self._in_title = False
        self._inline: list[str] = []
        self._heading_level = 0
        self._code_depth = 0
        self._tables: list[HtmlTable] = []
        # One entry per open list: the next number, or 0 where it is bulleted.
        self._lists: list[int] = []
        self._mark = ""

    def read(self, source: str) -> None:
        """Read the whole page."""
        for token in tokenize(source):
            if token.kind == "text":
                self._read_text(token.value)
            elif token.kind == "end":
                self._read_end(token.value)
            else:
                self._read_start(token)
        while self._tables:
            self._end_table()
        self._flush()

    def _read_start(self, token: Token) -> None:
        tag = token.value
        if self._skipped is not None:
            if tag == self._skipped[0]:
                self._skipped = (tag, self._skipped[1] + 1)
            return
        if tag == "title":
            self._in_title = not self.title
            return
        attributes = token.attributes
        if tag not in _VOID and (tag in _NEVER_SHOWN or self._is_unseen(tag, attributes)):
            self._skipped = (tag, 1)
            return
        self._main_depth += tag == "main"
        self._start(tag, attributes)

    def _read_end(self, tag: str) -> None:
        if self._skipped is not None:
            name, depth = self._skipped
            if tag == name:
                self._skipped = (name, depth - 1) if depth > 1 else None
            return
        if tag == "title":
            self._in_title = False
        elif tag in _HEADINGS:
            self._flush()
        elif tag == "pre":
            self._end_code()
        elif tag in ("td", "th", "tr", "table") and self._tables:
            self._end_in_table(self._tables[-1], tag)
        elif tag in ("ul", "ol") and self._lists:
            self._break()
            self._lists.pop()
        elif tag == "li" or tag in _BLOCKS:
            self._break()
        if tag == "main" and self._main_depth:
            self._main_depth -= 1

    def _read_text(self, text: str) -> None:
        if self._in_title:
            self.title = one_line(f"{self.title} {text}")
        elif self._skipped is None and (self._main_depth or not self._only_main):
            # Line ends of the source mean nothing, except in preformatted text.
            self._add(text if self._code_depth else text.replace("\n", " "))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "br":
            self._add("\n")
        elif tag in _HEADINGS and not self._tables:
            self._flush()
            self._heading_level = _HEADINGS[tag]
        elif tag == "pre":
            self._break()
            self._code_depth += 1
        elif tag in ("ul", "ol"):
            self._break()
            if len(self._lists) < _LISTS_NESTED_MAX:
                self._lists.append(1 if tag == "ol" else 0)
        elif tag == "li":
            self._start_item()
        elif tag == "table":
            self._break()
            if len(self._tables) < _TABLES_NESTED_MAX:
                self._tables.append(HtmlTable())
        elif tag in ("tr", "td", "th") and self._tables:
            self._start_in_table(self._tables[-1], tag, attributes)
        elif tag == "img":
            self._read_image(attributes.get("alt", ""))
        elif tag in _BLOCKS:
            self._break()

    def _start_in_table(self, table: HtmlTable, tag: str, attributes: dict[str, str]) -> None:
        if tag == "tr":
            table.start_row()
        else:
            table.start_cell(header=tag == "th", columns=attributes.get("colspan"), rows=attributes.get("rowspan"))

    def _end_in_table(self, table: HtmlTable, tag: str) -> None:
        if tag == "table":
            self._end_table()
        elif tag == "tr":
            table.end_row()
        else:
            table.end_cell()

    def _is_unseen(self, tag: str, attributes: dict[str, str]) -> bool:
        if not attributes:
            return self._skip_noise and tag in _NOISE_TAGS
        if "hidden" in attributes or _HIDDEN_STYLE.search(attributes.get("style", "")):
            return True
        if not self._skip_noise:
            return False
        if tag in _NOISE_TAGS or attributes.get("role") in _NOISE_ROLES or attributes.get("aria-hidden") == "true":
            return True
        classes = attributes.get("class")
        return classes is not None and not _NOISE_CLASSES.isdisjoint(classes.split())

    def _add(self, text: str) -> None:
        if self._tables:
            self._tables[-1].add(text)
        else:
            self._inline.append(text)

    def _break(self) -> None:
        """End the paragraph, unless a table cell or a heading goes on."""
        if self._tables:
            self._tables[-1].add(" ")
        elif self._heading_level:
            self._inline.append(" ")
        elif not self._code_depth:
            self._flush()

    def _flush(self) -> None:
        if not self._inline:
            return
        raw = "".join(self._inline)
        self._inline = []
        level, self._heading_level = self._heading_level, 0
        text = one_line(raw) if level else "\n".join(filter(None, map(one_line, raw.split("\n"))))
        if not text:
            return
        self.chars += len(text)
        if level:
            self.blocks.append(Block("heading", text, level))
        elif self._mark:
            self.blocks.append(Block("item", f"{self._mark} {text}"))
            self._mark = ""
        else:
            self.blocks.append(Block("text", text))

    def _start_item(self) -> None:
        self._break()
        if self._tables or self._code_depth or not self._lists:
            return
        number = self._lists[-1]
        indent = "  " * (len(self._lists) - 1)
        self._mark = f"{indent}{number}." if number else f"{indent}-"
        self._lists[-1] += number > 0

    def _end_code(self) -> None:
        if not self._code_depth:
            return
        self._code_depth -= 1
        if self._code_depth or self._tables:
            return
        code = dedent("".join(self._inline)).strip()
        self._inline = []
        if code:
            self.chars += len(code)
            self.blocks.append(Block("text", f"```\n{code}\n```"))

    def _end_table(self) -> None:
        table = self._tables.pop()
        table.end_row()
        if self._tables:
            # A table in a cell is read as words; its outer table is then layout, unless it is small.
            self._tables[-1].add(" " + " ".join(cell for row in table.rows for cell in row if cell) + " ")
            return
        self.chars += sum(len(cell) for row in table.rows for cell in row)
        if table.is_layout or all(len(set(filter(None, row))) <= 1 for row in table.rows):
            texts = (cell for row in table.rows for cell in dict.fromkeys(row) if cell)
            self.blocks.extend(Block("text", text) for text in texts)
        else:
            self.blocks.append(Block("table", rows=table.rows, marked_header=table.has_marked_header))

    def _read_image(self, words: str) -> None:
        # Short ones name icons; a longer description is something that a reader without the picture needs.
        if len(words.split()) >= _ALT_WORDS_MIN and not words.startswith(("data:", "http")):
            self._read_text(f" {words} ")
