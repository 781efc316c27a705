"""One HTML table while it is read: cells with their spans, so that every row is complete."""

from dataclasses import dataclass, field

from mainstay.knowledge.documents.parsers.tables import Row

_SPAN_MAX = 100
# A cell longer than this is a piece of page layout, not a value.
_CELL_CHARS_MAX = 600


@dataclass(slots=True)
class HtmlTable:
    """Collects rows; a cell that spans rows or columns is repeated in each of them."""

    rows: list[Row] = field(default_factory=list[Row])
    is_layout: bool = False
    _row: Row = field(default_factory=list[str])
    _cell: list[str] = field(default_factory=list[str])
    _in_cell: bool = False
    _spans: tuple[int, int] = (1, 1)
    _header_cells: int = 0
    _is_header: bool = False
    _marked: bool = False
    # Cells that reach down into the next rows: {column: (rows left, text)}.
    _pending: dict[int, tuple[int, str]] = field(default_factory=dict[int, tuple[int, str]])

    @property
    def has_marked_header(self) -> bool:
        """Say whether the first row is made of header cells."""
        return self._marked

    def start_row(self) -> None:
        """Begin a row; an open one ends."""
        self.end_row()

    def start_cell(self, *, header: bool, columns: str | None, rows: str | None) -> None:
        """Begin a cell; an open one ends."""
        self.end_cell()
        self._in_cell = True
        self._is_header = header
        self._spans = (_span(columns), _span(rows))

    def add(self, text: str) -> None:
        """Append text to the open cell; text between cells is kept with the cell before it."""
        self._cell.append(text)

    def end_cell(self) -> None:
        """End the open cell."""
        text = " ".join("".join(self._cell).split())
        self._cell = []
        if not self._in_cell:
            if text and self._row:
                self._row[-1] = f"{self._row[-1]} {text}".strip()
            return
        self._in_cell = False
        self._fill_from_above()
        columns, rows = self._spans
        self._header_cells += self._is_header
        self.is_layout = self.is_layout or len(text) > _CELL_CHARS_MAX
        for _ in range(columns):
            if rows > 1:
                self._pending[len(self._row)] = (rows - 1, text)
            self._row.append(text)

    def end_row(self) -> None:
        """End the open row."""
        self.end_cell()
        if not self._row:
            return
        self._fill_from_above(to_the_end=True)
        if not self.rows:
            self._marked = self._header_cells > 0 and self._header_cells * 2 >= len(set(self._row))
        self.rows.append(self._row)
        self._row, self._header_cells = [], 0

    def _fill_from_above(self, *, to_the_end: bool = False) -> None:
        while (column := len(self._row)) in self._pending or (to_the_end and any(c > column for c in self._pending)):
            left, text = self._pending.pop(column, (0, ""))
            if left > 1:
                self._pending[column] = (left - 1, text)
            self._row.append(text)
            if left > 1 and len(self._row) > 1_000:
                return


def _span(text: str | None) -> int:
    return min(max(int(text), 1), _SPAN_MAX) if text and text.isdecimal() and len(text) < 6 else 1
