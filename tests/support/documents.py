"""Small files of each format, made by hand, so that a test says all that is in them."""

import io
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_CONTENT_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def make_zip(members: Mapping[str, str | bytes]) -> bytes:
    """Return a deflated zip of `members`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_docx(body: str, **parts: str) -> bytes:
    """Return a DOCX with `body` as the XML of its body; `styles`, `numbering` and others are parts of that name."""
    relations = [(name, name, f"{name}.xml") for name in parts]
    members: dict[str, str | bytes] = {f"word/{name}.xml": _xml(content) for name, content in parts.items()}
    return make_zip(
        {
            "[Content_Types].xml": _CONTENT_TYPES,
            "_rels/.rels": _relations([("r1", "officeDocument", "word/document.xml")]),
            "word/_rels/document.xml.rels": _relations(relations),
            "word/document.xml": _xml(f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'),
            **members,
        }
    )


def word_paragraph(text: str, style: str = "") -> str:
    """Return the XML of one Word paragraph."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def word_styles() -> str:
    """Return a styles part in which Heading1 and Heading2 are headings under German ids."""
    return (
        f'<w:styles xmlns:w="{_WORD}">'
        '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="berschrift2"/></w:style>'
        "</w:styles>"
    )


def make_pptx(slides: list[tuple[str, list[str]]]) -> bytes:
    """Return a PPTX with one slide per (title, paragraphs)."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _relations([("r1", "officeDocument", "ppt/presentation.xml")]),
        "ppt/_rels/presentation.xml.rels": _relations(
            [(f"s{i}", "slide", f"slides/slide{i}.xml") for i in range(len(slides))]
        ),
        "ppt/presentation.xml": _xml(
            f'<p:presentation xmlns:p="{_SLIDES}" xmlns:r="{_RELATIONS}"><p:sldIdLst>'
            + "".join(f'<p:sldId id="{256 + i}" r:id="s{i}"/>' for i in range(len(slides)))
            + "</p:sldIdLst></p:presentation>"
        ),
    }
    for i, (title, texts) in enumerate(slides):
        shapes = _shape(title, '<p:ph type="title"/>') + "".join(_shape(text, "") for text in texts)
        members[f"ppt/slides/slide{i}.xml"] = _xml(
            f'<p:sld xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>'
        )
    return make_zip(members)


def make_xlsx(sheets: Mapping[str, list[list[str | float]]]) -> bytes:
    """Return an XLSX with the given rows on each named sheet, its strings shared."""
    strings: list[str] = []
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _relations([("r1", "officeDocument", "xl/workbook.xml")]),
        "xl/_rels/workbook.xml.rels": _relations(
            [
                *((f"s{i}", "worksheet", f"sheet{i}.xml") for i in range(len(sheets))),
                ("t", "sharedStrings", "strings.xml"),
            ]
        ),
        "xl/workbook.xml": _xml(
            f'<workbook xmlns="{_SHEETS}" xmlns:r="{_RELATIONS}"><sheets>'
            + "".join(f'<sheet name="{name}" sheetId="{i + 1}" r:id="s{i}"/>' for i, name in enumerate(sheets))
            + "</sheets></workbook>"
        ),
    }
    for i, rows in enumerate(sheets.values()):
        cells = "".join(f"<row>{''.join(_cell(value, strings) for value in row)}</row>" for row in rows)
        members[f"xl/sheet{i}.xml"] = _xml(f'<worksheet xmlns="{_SHEETS}"><sheetData>{cells}</sheetData></worksheet>')
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    members["xl/strings.xml"] = _xml(f'<sst xmlns="{_SHEETS}">{shared}</sst>')
    return make_zip(members)


def make_pdf(pages: list[list[str]], outline: list[tuple[str, int]] | None = None) -> bytes:
    """Return a PDF with the given lines on each page and bookmarks of (title, page index)."""
    outline = outline or []
    objects: list[bytes] = [b""] * (3 + 2 * len(pages) + (1 + len(outline) if outline else 0))
    page_number = [4 + 2 * i for i in range(len(pages))]
    outline_number = 4 + 2 * len(pages)
    catalog = f"<< /Type /Catalog /Pages 2 0 R{f' /Outlines {outline_number} 0 R' if outline else ''} >>"
    objects[0] = catalog.encode()
    kids = " ".join(f"{number} 0 R" for number in page_number)
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    objects[2] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    for i, lines in enumerate(pages):
        content = (
            b"BT /F1 11 Tf 50 780 Td 14 TL " + b" ".join(b"(" + _escaped(line) + b") Tj T*" for line in lines) + b" ET"
        )
        objects[page_number[i] - 1] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {page_number[i] + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        ).encode()
        objects[page_number[i]] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    if outline:
        first, last = outline_number + 1, outline_number + len(outline)
        objects[outline_number - 1] = (
            f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R /Count {len(outline)} >>".encode()
        )
        for i, (title, index) in enumerate(outline):
            number = outline_number + 1 + i
            following = f" /Next {number + 1} 0 R" if number < last else ""
            objects[number - 1] = (
                f"<< /Title ({title}) /Parent {outline_number} 0 R{following} /Dest [{page_number[index]} 0 R /Fit] >>"
            ).encode()
    return _pdf_file(objects)


def make_eml(subject: str, body: str, **headers: str) -> EmailMessage:
    """Return a mail to which a test may add parts; `bytes(mail)` is the file."""
    message = EmailMessage()
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.capitalize()] = value
    message.set_content(body)
    return message


def _pdf_file(objects: list[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, content in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def _escaped(line: str) -> bytes:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")


def _xml(content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{content}'


def _relations(entries: list[tuple[str, str, str]]) -> str:
    inner = "".join(f'<Relationship Id="{i}" Type="{_RELATIONS}/{kind}" Target="{path}"/>' for i, kind, path in entries)
    return _xml(f'<Relationships xmlns="{_PACKAGE_RELATIONS}">{inner}</Relationships>')


def _shape(text: str, placeholder: str) -> str:
    return (
        f"<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr>"
        f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def _cell(value: str | float, strings: list[str]) -> str:
    if isinstance(value, str):
        strings.append(value)
        return f'<c t="s"><v>{len(strings) - 1}</v></c>'
    return f"<c><v>{value}</v></c>"
