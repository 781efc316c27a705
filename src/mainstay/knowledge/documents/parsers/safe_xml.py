"""XML from strangers: no document types, so no entities, no external fetches, no laughs by the billion."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from xml.parsers import expat

from mainstay.knowledge.documents.parsed import ParseRejected

Element = ET.Element


class _PrologRead(Exception):
    pass


def parse_xml(data: bytes, part: str) -> Element:
    """Return the root of `data`; `part` names it in messages. Raises ParseRejected (`broken`)."""
    refuse_doctype(data, part)
    try:
        return ET.fromstring(data)  # noqa: S314  (a document type was refused above)
    except ET.ParseError as error:
        raise _broken(part, error) from None


def iterate_xml(data: bytes, part: str) -> Iterator[Element]:
    """Yield each element of `data` when it ends, for parts too large to keep; the caller clears what it has read."""
    refuse_doctype(data, part)
    try:
        for _, element in ET.iterparse(io.BytesIO(data)):  # noqa: S314  (a document type was refused above)
            yield element
    except ET.ParseError as error:
        raise _broken(part, error) from None


def refuse_doctype(data: bytes, part: str) -> None:
    """Raise ParseRejected where `data` declares a document type: Office files never do, attacks always."""
    parser = expat.ParserCreate()

    def on_doctype(*_: object) -> None:
        raise ParseRejected(
            "broken",
            f"{part} declares a document type (DOCTYPE), which could pull in other files; save it anew without.",
        )

    def on_element(*_: object) -> None:
        raise _PrologRead

    parser.StartDoctypeDeclHandler = on_doctype
    parser.StartElementHandler = on_element
    try:
        parser.Parse(data, True)  # noqa: FBT003  (expat takes no names: this is all of the data)
    except _PrologRead:
        return
    except (expat.ExpatError, LookupError, ValueError) as error:
        # The last two are declared encodings that Python does not know or cannot use.
        raise _broken(part, error) from None


def local(element: Element) -> str:
    """Return the name of `element` without its namespace: strict and transitional Office files differ in those."""
    return element.tag.rpartition("}")[2]


def attribute(element: Element, name: str) -> str | None:
    """Return the attribute called `name` in any namespace, or None."""
    value = element.get(name)
    if value is not None:
        return value
    suffix = "}" + name
    return next((v for k, v in element.attrib.items() if k.endswith(suffix)), None)


def child(element: Element | None, *names: str) -> Element | None:
    """Return the descendant reached by the local names `names`, one level each, or None."""
    for name in names:
        if element is None:
            return None
        element = next((c for c in element if local(c) == name), None)
    return element


def children(element: Element | None, name: str) -> list[Element]:
    """Return the direct children with the local name `name`."""
    return [] if element is None else [c for c in element if local(c) == name]


def descendants(element: Element, name: str) -> Iterator[Element]:
    """Yield every element below `element` with the local name `name`, in document order."""
    return (e for e in element.iter() if local(e) == name)


def _broken(part: str, error: Exception) -> ParseRejected:
    return ParseRejected("broken", f"{part} is not well-formed XML ({error}); save the file again and upload it anew.")
