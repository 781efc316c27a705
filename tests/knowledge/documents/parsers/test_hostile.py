"""Files made to harm: none may be read for long, fetch anything, or take more than its share."""

import io
import time
import zipfile
from pathlib import Path

import pytest

from mainstay.knowledge.documents.parsed import ParseRejected
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits
from mainstay.knowledge.documents.parsers.parse import parse
from tests.support.documents import make_docx, make_eml, make_pdf, make_xlsx, make_zip, word_paragraph

SECRET = "the words of a file outside"
REJECT_S = 2.0


def rejection(data: bytes, filename: str, limits: ParseLimits | None = None) -> ParseRejected:
    started = time.process_time()
    with pytest.raises(ParseRejected) as caught:
        parse(data, filename, None, limits or ParseLimits())
    assert time.process_time() - started < REJECT_S
    return caught.value


def with_prolog(document: bytes, prolog: str, part: str = "word/document.xml") -> bytes:
    """Return the Office file `document` with `prolog` in front of the root element of `part`."""
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        for name in archive.namelist():
            members[name] = archive.read(name)
    members[part] = members[part].replace(b"?>\n", b"?>\n" + prolog.encode(), 1)
    return make_zip(members)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.txt"
    path.write_text(SECRET)
    return path


def test_zip_bomb_in_a_word_file_is_counted_before_it_is_read() -> None:
    bomb = make_docx(word_paragraph("Hello"), media="<a>" + " " * (64 * MIB) + "</a>")
    assert len(bomb) < MIB
    assert rejection(bomb, "bomb.docx").code == "oversized"


def test_zip_whose_directory_lies_about_sizes_is_broken_not_inflated() -> None:
    document = bytearray(make_docx(word_paragraph("word " * 20_000)))
    # The directory's own entry says how much a member inflates to; make it one byte.
    at = document.rfind(b"PK\x01\x02")
    while at >= 0:
        document[at + 24 : at + 28] = (1).to_bytes(4, "little")
        at = document.rfind(b"PK\x01\x02", 0, at)
    assert rejection(bytes(document), "lies.docx").code == "broken"


def test_archive_of_a_million_entries_is_refused_before_its_directory_is_read() -> None:
    entry = b"PK\x01\x02" + bytes(42)
    data = b"PK\x03\x04" + bytes(26) + entry * 1_000_000 + b"PK\x05\x06" + bytes(18)
    assert rejection(data, "many.docx").code == "oversized"


def test_archive_under_a_password_is_encrypted() -> None:
    document = bytearray(make_docx(word_paragraph("Hello")))
    at = document.find(b"PK\x01\x02")
    document[at + 8] |= 1
    assert rejection(bytes(document), "locked.docx").code == "encrypted"


def test_names_that_climb_out_of_the_archive_are_only_names(tmp_path: Path) -> None:
    names = ["../../evil.txt", "/etc/evil", "..\\evil", "word/../../evil", "C:\\evil"]
    with pytest.raises(ParseRejected) as caught:
        parse(make_zip(dict.fromkeys(names, "x")), "climb.zip", None, ParseLimits())
    assert caught.value.code == "unsupported"
    assert not list(tmp_path.parent.glob("**/evil*"))


@pytest.mark.parametrize("kind", ["external", "bomb", "parameter"])
@pytest.mark.parametrize("make", ["docx", "xlsx"])
def test_entities_in_office_files_are_refused(kind: str, make: str, outside: Path) -> None:
    prolog = {
        "external": f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{outside}">]>',
        "bomb": "<!DOCTYPE x [" + '<!ENTITY a "aaaaaaaaaa">' + "".join(
            f'<!ENTITY a{i} "{("&a" + (str(i - 1) if i else "") + ";") * 10}">' for i in range(9)
        ) + "]>",
        "parameter": f'<!DOCTYPE x SYSTEM "file://{outside}">',
    }[kind]  # fmt: skip
    if make == "docx":
        data = with_prolog(make_docx(word_paragraph("&e;")), prolog)
    else:
        data = with_prolog(make_xlsx({"S": [["a"]]}), prolog, "xl/strings.xml")
    refused = rejection(data, f"x.{make}")
    assert refused.code == "broken"
    assert "DOCTYPE" in refused.reason


def test_entities_in_plain_xml_are_refused_and_nothing_outside_is_read(outside: Path) -> None:
    external = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file://{outside}">]><a>words &e;</a>'
    assert rejection(external.encode(), "a.xml").code == "broken"
    doctype = f'<?xml version="1.0"?><!DOCTYPE article SYSTEM "file://{outside}"><article><p>words</p></article>'
    document = parse(doctype.encode(), "a.xml", None, ParseLimits())
    assert document.text == "words\n\n"


def test_nesting_without_end_is_refused() -> None:
    deep = 100_000
    assert rejection(b"<a>" * deep + b"x" + b"</a>" * deep, "deep.xml").code == "oversized"
    assert rejection(make_docx("<w:ins>" * deep + "x" + "</w:ins>" * deep), "deep.docx").code == "oversized"
    page = b"<html><body>" + b"<div>" * deep + b"words" + b"<table><tr><td>" * 1_000
    assert "words" in parse(page, "deep.html", None, ParseLimits()).text
    mail = make_eml("a", "x")
    for _ in range(8):
        outer = make_eml("a", "x")
        outer.add_attachment(mail)
        mail = outer
    assert rejection(bytes(mail), "deep.eml").code == "oversized"


@pytest.mark.parametrize(
    "page",
    [
        b"<html><body>" + b"<" * 200_000,
        b"<html><body>" + b"<a " * 100_000,
        b"<html><body><!--" + b"-" * 200_000,
        b"<html><body>" + b"&#x" * 100_000,
        b"<html><body><table>" + b"<td rowspan=9999 colspan=9999>x" * 300,
        b"<html><body>" + b"<ul><li>x" * 20_000,
    ],
)
def test_bad_markup_takes_no_longer_than_its_size(page: bytes) -> None:
    started = time.process_time()
    try:
        parse(page, "bad.html", None, ParseLimits())
    except ParseRejected as rejected:
        assert rejected.code == "empty"  # noqa: PT017  (either outcome is right; what counts is the time)
    assert time.process_time() - started < 4 * REJECT_S


@pytest.mark.parametrize(
    "source", ["#" * 300_000, "[" * 100_000, "x\n" * 100_000 + "===", "`" * 200_000, "a " * 200_000 + "\n---"]
)
def test_bad_markdown_takes_no_longer_than_its_size(source: str) -> None:
    started = time.process_time()
    try:
        parse(source.encode(), "bad.md", None, ParseLimits())
    except ParseRejected as rejected:
        assert rejected.code == "empty"  # noqa: PT017
    assert time.process_time() - started < REJECT_S


def test_every_limit_is_named_with_its_value() -> None:
    limits = ParseLimits(bytes_max=2_000, pages_max=2, text_bytes_max=1_000, headings_max=3, archive_entries_max=2)
    assert "0.0 MiB" in rejection(b"word " * 500, "a.txt", limits).reason
    assert "3 pages" in rejection(make_pdf([["a"], ["b"], ["c"]]), "a.pdf", limits).reason
    assert "MiB of text" in rejection(b"word " * 300, "a.txt", limits).reason
    assert "3 headings" in rejection(b"# a\n" * 4, "a.md", limits).reason
    assert "2 entries" in rejection(make_docx(word_paragraph("a")), "a.docx", limits).reason
