"""The numbers of a Word file: they are computed when it is shown, and clauses are cited by them."""

import re
from dataclasses import dataclass, field

from mainstay.knowledge.documents.parsers.safe_xml import Element, attribute, child, children

_PLACE = re.compile(r"%(\d)")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


@dataclass(slots=True)
class _Level:
    number_format: str = "bullet"
    pattern: str = ""
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """Counts the list paragraphs of one document as Word would."""

    _levels: dict[str, dict[int, _Level]] = field(default_factory=dict[str, dict[int, _Level]])
    _abstract_of: dict[str, str] = field(default_factory=dict[str, str])
    _counters: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])

    @classmethod
    def read(cls, root: Element | None) -> "Numbering":
        """Return the numbering that the part numbering.xml declares."""
        numbering = cls()
        for abstract in children(root, "abstractNum"):
            numbering._levels[attribute(abstract, "abstractNumId") or ""] = {
                _int(attribute(level, "ilvl")): _Level(
                    _value(level, "numFmt") or "decimal",
                    _value(level, "lvlText") or "",
                    _int(_value(level, "start"), 1),
                )
                for level in children(abstract, "lvl")
            }
        for number in children(root, "num"):
            numbering._abstract_of[attribute(number, "numId") or ""] = _value(number, "abstractNumId") or ""
        return numbering

    def label(self, number_id: str, depth: int) -> str:
        """Return the mark of the next paragraph of the list `number_id` at `depth`: `-`, `3.`, `2.1.4`, `(b)`."""
        levels = self._levels.get(self._abstract_of.get(number_id, ""))
        if number_id == "0":
            return ""
        if levels is None or depth not in levels:
            return "-"
        level = levels[depth]
        # Lists that share an abstract numbering go on where the other stopped, as Word shows them.
        counters = self._counters.setdefault(number_id, {})
        counters[depth] = counters.get(depth, level.start - 1) + 1
        for deeper in [d for d in counters if d > depth]:
            del counters[deeper]
        if level.number_format in ("bullet", "none") or not level.pattern:
            return "-" if level.number_format == "bullet" else ""

        def place(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            shown = levels.get(at, _Level("decimal"))
            return _numeral(counters.get(at, shown.start), shown.number_format)

        return _PLACE.sub(place, level.pattern).strip()


def _numeral(number: int, number_format: str) -> str:
    if number_format in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 9)
        return letter.upper() if number_format == "upperLetter" else letter
    if number_format in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, sign in _ROMAN:
            count, number = divmod(number, value)
            roman += sign * count
        return roman.upper() if number_format == "upperRoman" else roman
    return f"{number:02d}" if number_format == "decimalZero" else str(number)


def _value(element: Element, name: str) -> str | None:
    found = child(element, name)
    return None if found is None else attribute(found, "val")


def _int(text: str | None, default: int = 0) -> int:
    return int(text) if text is not None and text.lstrip("-").isdecimal() and len(text) < 10 else default
