"""The container that DOCX, XLSX and PPTX share: a zip of XML parts with typed relations between them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
# The oldest date a zip can hold: the same on every machine and every day.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def text(value: str) -> str:
    """The value, safe between two tags."""
    return escape(value)


def attribute(value: str) -> str:
    """The value as an attribute, with its quotes."""
    return quoteattr(value)


def pack(parts: Mapping[str, str], types: Mapping[str, str], title: str, main_part: str) -> bytes:
    """Zip the parts (path to XML without its declaration) into an Office file.

    `types` maps a path to its content type; `main_part` is the path the package opens with. Entries are stored, not
    deflated: another version of zlib would write other bytes.
    """
    everything = {
        "[Content_Types].xml": _content_types(types),
        "_rels/.rels": relations(
            [("officeDocument", main_part), ("metadata/core-properties", "docProps/core.xml")],
        ),
        "docProps/core.xml": _core(title),
        **parts,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, xml in everything.items():
            entry = zipfile.ZipInfo(path, date_time=_ZIP_EPOCH)
            # The system that wrote the zip stands in it; without this line Windows would write other bytes.
            entry.create_system = 3
            archive.writestr(entry, _XML + xml)
    return buffer.getvalue()


def relations(targets: Sequence[tuple[str, str]]) -> str:
    """A relations part; the n-th target gets the id rId<n>."""
    rows = "".join(
        f'<Relationship Id="rId{number}" Type={attribute(_relation_type(kind))} Target={attribute(target)}/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _relation_type(kind: str) -> str:
    base = _PACKAGE if kind.startswith("metadata/") else OFFICE
    return f"{base}/relationships/{kind}"


def _content_types(types: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="/{path}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for path, kind in types.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/docProps/core.xml" '
        'ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
        f"{overrides}</Types>"
    )


def _core(title: str) -> str:
    return (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{text(title)}</dc:title><dc:creator>Brindlemere Weather</dc:creator></cp:coreProperties>"
    )
