"""Each format, on a small file whose every word is known."""

import pytest

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse
from tests.support.documents import (
    make_docx,
    make_eml,
    make_pdf,
    make_pptx,
    make_xlsx,
    make_zip,
    word_paragraph,
    word_styles,
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def parsed(data: bytes, filename: str, content_type: str | None = None) -> ParsedDocument:
    return parse(data, filename, content_type, ParseLimits())


def headings(document: ParsedDocument) -> list[tuple[int, str]]:
    for heading in document.headings:
        line = document.text[heading.start_char :].partition("\n")[0]
        assert heading.title.split()[0] in line
    return [(heading.level, heading.title) for heading in document.headings]


def pages(document: ParsedDocument) -> list[str]:
    return [document.text[page.start_char : page.end_char].strip() for page in document.pages]


def test_pdf_keeps_pages_and_joins_lines_into_sentences() -> None:
    lines = [
        "The station measures wind, rain and temperature every fifteen seconds,",
        "day and night, and sends what it has measured to the hub in the house.",
        "It needs neither mains power nor a network cable to do so all the year.",
        "Costs",
    ]
    document = parsed(make_pdf([lines, ["Second page."]]), "guide.pdf")
    assert pages(document) == [f"{lines[0]} {lines[1]} {lines[2]}\nCosts", "Second page."]
    assert [page.number for page in document.pages] == [1, 2]
    assert document.content_type == "application/pdf"


def test_pdf_rows_of_figures_stay_apart() -> None:
    rows = ["Products $ 73,929 $ 77,457", "Services 20,907 19,821", "Total net sales 94,836 97,278"]
    assert parsed(make_pdf([rows]), "q.pdf").text.split("\n")[:3] == rows


def test_pdf_bookmarks_become_headings_where_their_titles_stand() -> None:
    document = parsed(
        make_pdf([["1 Scope", "Text."], ["2 Terms", "More."]], [("Scope", 0), ("Terms", 1), ("Gone", 1)]), "a.pdf"
    )
    assert headings(document) == [(1, "Scope"), (1, "Terms")]
    assert [document.text[h.start_char :].partition("\n")[0] for h in document.headings] == ["1 Scope", "2 Terms"]


def test_html_keeps_headings_lists_and_tables_and_drops_what_no_reader_sees() -> None:
    page = """<!doctype html><html><head><title>Returns &amp; refunds</title><style>p{}</style></head><body>
      <nav>Home | Shop</nav><script>var secret = 1;</script>
      <h1>Returns</h1><p>Send it <b>back</b> within
      30 days.<br>Free of charge.</p><ul><li>unused<ol><li>boxed</li></ol></li></ul>
      <div hidden>invisible</div><img src="data:image/png;base64,AAAA" alt="A box being closed"><h2>Fees</h2>
      <table><tr><th>Country</th><th>Fee</th></tr>
      <tr><td rowspan=2>France</td><td>5</td></tr><tr><td>6</td></tr></table>
      <pre>  code\n    here</pre></body></html>"""
    document = parsed(page.encode(), "returns.html")
    assert document.title == "Returns & refunds"
    assert headings(document) == [(1, "Returns"), (2, "Fees")]
    assert document.text == (
        "# Returns\n\nSend it back within 30 days.\nFree of charge.\n\n- unused\n  1. boxed\n\nA box being closed\n\n"
        "## Fees\n\nCountry | Fee\nCountry: France | Fee: 5\nCountry: France | Fee: 6\n\n```\ncode\n  here\n```\n\n"
    )


@pytest.mark.parametrize("charset", ["utf-8", "cp1251", "utf-16", "koi8-r"])
def test_html_charset_declared_or_detected(charset: str) -> None:
    words = "Гарантия на станцию действует три года со дня покупки"
    page = f"<html><head><meta charset='{charset}'></head><body><p>{words}</p></body></html>".encode(charset)
    assert words in parsed(page, "page.html").text
    assert words in parsed(words.encode(charset), "page.txt").text


def test_docx_headings_in_any_language_numbers_tables_and_tracked_changes() -> None:
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        '<w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/>'
        '<w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="3"><w:abstractNumId w:val="7"/></w:num></w:numbering>'
    )

    def item(text: str, level: int) -> str:
        marks = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="3"/></w:numPr>'
        return f"<w:p><w:pPr>{marks}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"

    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{word_paragraph(text)}</w:tc>"

    top, below = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    table = (
        f"<w:tbl><w:tr>{cell('Year')}{cell('City')}{cell('Sum')}</w:tr>"
        f"<w:tr>{cell('2024', top)}{cell('Bern')}{cell('10')}</w:tr>"
        f"<w:tr>{cell('', below)}{cell('Basel')}{cell('12')}</w:tr></w:tbl>"
    )
    changed = (
        "<w:p><w:r><w:t>Kept </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
    )
    body = (
        word_paragraph("Vertrag", "berschrift1") + item("Scope", 0) + item("Parts", 1) + item("Term", 0)
        + word_paragraph("Preise", "Own") + table + changed
    )  # fmt: skip
    document = parsed(make_docx(body, styles=word_styles(), numbering=numbering), "contract.docx")
    assert headings(document) == [(1, "Vertrag"), (2, "Preise")]
    assert document.text == (
        "# Vertrag\n\n1. Scope\n1.a) Parts\n2. Term\n\n## Preise\n\nYear | City | Sum\n"
        "Year: 2024 | City: Bern | Sum: 10\nYear: 2024 | City: Basel | Sum: 12\n\nKept new\n\n"
    )


def test_pptx_slides_are_pages_with_their_titles() -> None:
    document = parsed(make_pptx([("Plan", ["First step", "Second step"]), ("", ["No title here"])]), "talk.pptx")
    assert pages(document) == ["## Plan\n\nFirst step\n\nSecond step", "No title here"]
    assert headings(document) == [(2, "Plan")]


def test_xlsx_rows_name_their_columns_and_sheets_are_pages() -> None:
    sheets = {
        "Parts": [["Part", "Name", "Price"], ["A-1", "Wheel", 12.5], ["A-2", "Seat", 7.0]],
        "Notes": [["All fine"]],
    }
    document = parsed(make_xlsx(sheets), "parts.xlsx")
    assert pages(document) == [
        "## Parts\n\nPart | Name | Price\nPart: A-1 | Name: Wheel | Price: 12.5\nPart: A-2 | Name: Seat | Price: 7",
        "## Notes\n\nAll fine",
    ]


def test_markdown_is_kept_as_it_stands_without_front_matter_and_data() -> None:
    source = (
        "---\ntitle: Limits\n---\n# Limits of *the* API\r\n\r\nText with `code`.\r\n\r\n```sh\n# no heading\n```\n"
        "Setext\n------\n![chart](data:image/png;base64,iVBORw0KGgo=)\n"
    )
    document = parsed(source.encode(), "limits.md")
    assert document.title == "Limits"
    assert headings(document) == [(1, "Limits of the API"), (2, "Setext")]
    assert document.text.startswith("# Limits of *the* API\n\nText with `code`.")
    assert document.text.endswith("------\nchart\n")


@pytest.mark.parametrize(
    ("delimiter", "charset"), [(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8-sig")]
)
def test_csv_delimiter_and_charset_are_found(delimiter: str, charset: str) -> None:
    rows = [["Name", "Größe", "Stück"], ["Müller, Söhne", "groß", "5"], ["Weiß", "klein", "7"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    lines = parsed(text.encode(charset), "list.csv").text.strip().split("\n")
    assert lines == [
        "Name | Größe | Stück",
        "Name: Müller, Söhne | Größe: groß | Stück: 5",
        "Name: Weiß | Größe: klein | Stück: 7",
    ]


def test_csv_in_shift_jis() -> None:
    document = parsed("名前,年齢,住所\n佐藤太郎,30,東京\n髙橋淳,35,名古屋\n".encode("cp932"), "members.csv")
    assert "名前: 髙橋淳 | 年齢: 35 | 住所: 名古屋" in document.text


def test_eml_headers_body_forwarded_mail_and_attachments() -> None:
    mail = make_eml("Angebot für Bäume", "Plain words.\n", to="b@example.org", date="Tue, 01 Jul 2025 10:00:00 +0200")
    mail.add_alternative("<p>HTML words.</p>", subtype="html")
    mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="offer.pdf")
    mail.add_attachment(make_eml("Inner", "Inner words.\n"))
    document = parsed(bytes(mail), "offer.eml")
    assert headings(document) == [(1, "Angebot für Bäume"), (2, "Inner")]
    assert document.text.startswith(
        "# Angebot für Bäume\n\nTo: b@example.org\nDate: 2025-07-01 10:00:00+02:00\n\nPlain words."
    )
    assert "Inner words." in document.text
    assert "HTML words" not in document.text
    assert "Attachment: offer.pdf (application/pdf, 8 bytes)" in document.text


def test_captions_without_times_and_asciidoc_with_headings() -> None:
    captions = (
        "WEBVTT\n\nNOTE x\n\n1\n00:01.000 --> 00:02.000\n<v Ada>Hello <b>all</b>\n\n00:03.000 --> 00:04.000\nBye\n"
    )
    assert parsed(captions.encode(), "talk.vtt").text == "Ada: Hello all\nBye"
    assert headings(parsed(b"= Title\n\nText\n\n== Part\n\nMore\n", "a.adoc")) == [(1, "Title"), (2, "Part")]


def test_xml_article_and_feed() -> None:
    described = "<description>&lt;p&gt;Hi &lt;b&gt;you&lt;/b&gt;&lt;/p&gt;</description>"
    feed = f"<rss><channel><title>News</title><item><title>One</title>{described}</item></channel></rss>"
    assert parsed(feed.encode(), "feed.xml").text == "# News\n\n## One\n\nHi you\n\n"


def test_a_mislabelled_file_is_read_as_what_it_is() -> None:
    assert parsed(make_pdf([["Hello there"]]), "notes.docx").content_type == "application/pdf"
    assert parsed(b"<!doctype html><p>Hello</p>", "page.txt", "text/plain").content_type == "text/html"
    assert parsed(make_docx(word_paragraph("Hello")), "x.pdf", "application/pdf").kind == "word"
    assert parsed(b"just words", "x.html").content_type == "text/plain"


@pytest.mark.parametrize(
    ("data", "filename", "code", "words"),
    [
        (b"", "a.txt", "empty", "0 bytes"),
        (b" \n\x00 ", "a.txt", "empty", "nothing in them"),
        ("\u200b\u2800 \n".encode(), "a.md", "empty", "no visible text"),
        (b"<html><body><script>var a=1</script></body></html>", "a.html", "empty", "without visible text"),
        (make_pdf([[], []]), "scan.pdf", "empty", "2 pages and no text"),
        (make_pdf([["Hello"]])[:200], "cut.pdf", "broken", "no readable PDF"),
        (make_docx(word_paragraph("Hello"))[:-40], "cut.docx", "broken", "directory cannot be read"),
        (make_docx(word_paragraph(" ")), "blank.docx", "empty", "no text"),
        (make_docx("<w:p><w:r>"), "odd.docx", "broken", "not well-formed"),
        (make_xlsx({"Only a name": []}), "blank.xlsx", "empty", "without a filled cell"),
        (make_zip({"a.txt": "hi", "b.txt": "ho"}), "two.zip", "unsupported", "archive of 2 files"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "photo.png", "unsupported", "is an image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "photo.txt", "unsupported", "is an image"),
        (bytes(range(256)) * 4, "random.bin", "unsupported", "binary data"),
        (b'{"cells": [1, {', "n.ipynb", "broken", "no readable notebook"),
        (OLE + bytes(512) + "EncryptedPackage".encode("utf-16-le"), "s.docx", "encrypted", "password"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(data: bytes, filename: str, code: str, words: str) -> None:
    with pytest.raises(ParseRejected, match=words) as caught:
        parsed(data, filename)
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")
