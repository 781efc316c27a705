"""CSV and its relatives: the delimiter is found, the first row names the columns, each row is a line."""

import csv
import io
from collections import Counter

from mainstay.knowledge.documents.parsed import ParsedDocument, ParseRejected
from mainstay.knowledge.documents.parsers.builder import DocumentBuilder
from mainstay.knowledge.documents.parsers.charsets import decode
from mainstay.knowledge.documents.parsers.cleaning import clean
from mainstay.knowledge.documents.parsers.limits import ParseLimits
from mainstay.knowledge.documents.parsers.sniffing import CONTENT_TYPES
from mainstay.knowledge.documents.parsers.tables import Row, render_table

_DELIMITERS = ",;\t|"
_SAMPLE_CHARS = 64 * 1024
_SAMPLE_ROWS = 100
_CELL_CHARS_MAX = 10 * 1024 * 1024


def parse(data: bytes, filename: str, limits: ParseLimits) -> ParsedDocument:
    """Return the document in the delimited file `data`. Raises ParseRejected."""
    text = clean(decode(data))
    csv.field_size_limit(_CELL_CHARS_MAX)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text)))
    except csv.Error as error:
        raise ParseRejected("broken", f"{filename!r} is no table ({error}); export it as CSV again.") from None
    builder = DocumentBuilder(limits)
    builder.lines(render_table(rows, marked_header=True))
    return builder.finish(
        content_type=CONTENT_TYPES["csv"],
        kind="table",
        title=filename.rpartition(".")[0] or filename,
        empty_reason=f"{filename!r} has no filled cell; export it again with its rows.",
    )


def find_delimiter(text: str) -> str:
    """Return the delimiter that cuts the first rows of `text` into the steadiest number of columns; a comma if none."""
    sample = text[:_SAMPLE_CHARS]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        score = _steadiness(sample, delimiter)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _steadiness(sample: str, delimiter: str) -> float:
    if delimiter not in sample:
        return 0.0
    rows: list[Row] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) >= _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    if not rows:
        return 0.0
    width, count = Counter(len(row) for row in rows).most_common(1)[0]
    # Many columns break a tie: prose has a comma a line, too.
    return 0.0 if width < 2 else count / len(rows) + min(width, 50) / 1000
