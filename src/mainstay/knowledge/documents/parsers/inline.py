"""The text inside one paragraph of an Office file: runs, breaks, fields, tracked changes and formulas."""

from mainstay.knowledge.documents.parsers.safe_xml import Element, child, local

# Deleted text, field instructions and the fallbacks of drawings are not what a reader sees.
_UNSEEN = frozenset(
    ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "sectPr", "Fallback", "txbxContent", "tbl", "fldData",
     "ctrlPr", "fPr", "sSupPr", "sSubPr", "naryPr", "dPr", "radPr", "funcPr", "mPr", "footnoteRef", "endnoteRef")
)  # fmt: skip
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_FUNCTIONS_OF_TWO = {"f": ("num", "/", "den"), "sSup": ("e", "^", "sup"), "sSub": ("e", "_", "sub")}


def inline_text(element: Element) -> str:
    """Return what a reader sees of `element`, in order; text boxes and nested tables are left to the caller."""
    parts: list[str] = []
    _collect(element, parts)
    return "".join(parts)


def _collect(element: Element, parts: list[str]) -> None:
    for node in element:
        name = local(node)
        if name in _UNSEEN:
            continue
        if name == "t":
            parts.append(node.text or "")
        elif name in _CHARACTERS:
            parts.append(_CHARACTERS[name])
        elif name in _FUNCTIONS_OF_TWO:
            parts.append(_of_two(node, *_FUNCTIONS_OF_TWO[name]))
        elif name == "rad":
            parts.append(f"√({_part(node, 'e')})")
        elif name == "d":
            parts.append(f"({_part(node, 'e')})")
        elif name == "nary":
            parts.append(f"{_operator(node)}_({_part(node, 'sub')})^({_part(node, 'sup')}) {_part(node, 'e')}")
        else:
            _collect(node, parts)


def _of_two(node: Element, first: str, sign: str, second: str) -> str:
    return f"{_bracketed(_part(node, first))}{sign}{_bracketed(_part(node, second))}"


def _part(node: Element, name: str) -> str:
    found = child(node, name)
    return "" if found is None else inline_text(found).strip()


def _bracketed(text: str) -> str:
    return text if len(text) <= 1 or text.isalnum() else f"({text})"


def _operator(node: Element) -> str:
    sign = child(node, "naryPr", "chr")
    return "∫" if sign is None else next(iter(sign.attrib.values()), "∑")
