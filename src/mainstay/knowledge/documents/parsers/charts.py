"""The numbers behind a chart of an Office file, as a table."""

from collections.abc import Iterator

from mainstay.knowledge.documents.parsers.archives import Archive
from mainstay.knowledge.documents.parsers.cleaning import one_line
from mainstay.knowledge.documents.parsers.safe_xml import Element, child, descendants
from mainstay.knowledge.documents.parsers.tables import Row, render_table

_CHART_POINTS_MAX = 2_000


def read_chart(archive: Archive, path: str) -> Iterator[str]:
    """Yield the title of the chart at `path`, then its rows as one block: a line per category."""
    if path not in archive:
        return
    chart = child(archive.read_xml(path), "chart")
    title = child(chart, "title")
    if title is not None:
        yield one_line("".join(t.text or "" for t in descendants(title, "t")))
    plot = child(chart, "plotArea")
    names: Row = [""]
    columns: list[Row] = []
    labels: Row = []
    for series in descendants(plot, "ser") if plot is not None else ():
        names.append(" ".join(_points(child(series, "tx"))))
        labels = labels or _points(child(series, "cat"))
        columns.append(_points(child(series, "val")))
    rows = [
        [labels[i] if i < len(labels) else "", *(column[i] if i < len(column) else "" for column in columns)]
        for i in range(min(max(map(len, columns), default=0), _CHART_POINTS_MAX))
    ]
    if rows:
        yield "\n".join(render_table([names, *rows]))


def _points(element: Element | None) -> Row:
    return [] if element is None else [_shown(v.text or "") for v in descendants(element, "v")]


def _shown(value: str) -> str:
    """Return a number as a person would write it: files keep 4.4 as 4.4000000000000004."""
    try:
        return f"{float(value):.15g}" if "." in value else value
    except ValueError:
        return value
