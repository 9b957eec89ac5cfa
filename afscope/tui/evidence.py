"""The rows of a piece of evidence: a table with the row that is meant highlighted, and that row in full below it."""

import re
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import DataTable, Static

from afscope.model.timeline import RowPage
from afscope.tui.harmless import cut, harmless
from afscope.tui.words import word

_CELL = 40
"""Cells of a table cell; the whole value stands below the table."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
_DATE = "2026-01-01 "
_BOOKKEEPING = ("seen_at", "change", "uid", "resource_version")
"""Columns of every watched table that say little to a person: they follow the others."""


def _one_day(values: Sequence[str]) -> bool:
    """Whether a column holds times of one day: its date would only push other columns out of sight."""
    known = [value for value in values if value]
    same = {value[: len(_DATE)] for value in known}
    return len(same) == 1 and all(_TIME.match(value) for value in known)


class RowTable(DataTable[Text]):
    """A table that keeps its cursor in sight: it is filled before its pane is seen, and panes change their size."""

    def on_resize(self) -> None:
        """Scrolls once the new size counts."""
        self.call_after_refresh(self.choose, self.cursor_row)

    def choose(self, row: int) -> None:
        """Cursor to a row, and the row into sight."""
        self.move_cursor(row=row, animate=False)


class Rows(Vertical):
    """Shows one RowPage. Columns that are empty in every row are left out."""

    DEFAULT_CSS = """
    Rows { height: 1fr; }
    Rows DataTable { height: 1fr; min-height: 3; background: $background; scrollbar-size: 1 1; }
    Rows #record { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    Rows #where { height: 1; padding: 0 1; text-style: bold; }
    """

    def __init__(self, lang: str) -> None:
        super().__init__(id="rows")
        self.lang = lang
        self._page = RowPage("", (), (), 0)
        self.table = RowTable(id="table", cursor_type="row", zebra_stripes=True)
        self._where, self._cells = Static(id="where", markup=False), Static(id="cells", markup=False)

    def compose(self) -> ComposeResult:
        """Table above, record below."""
        yield self._where
        yield self.table
        with VerticalScroll(id="record", can_focus=False):
            yield self._cells

    def show(self, page: RowPage) -> None:
        """Replaces the content and highlights the row in focus."""
        self._page = page
        table = self.table
        table.clear(columns=True)
        used = [n for n in range(len(page.columns)) if any(row[n] for row in page.rows)]
        used.sort(key=lambda n: page.columns[n] in _BOOKKEEPING)
        for n in used:
            table.add_column(Text(harmless(page.columns[n])))
        dates = {n: len(_DATE) if _one_day([row[n] for row in page.rows]) else 0 for n in used}
        for row in page.rows:
            table.add_row(*(Text(cut(harmless(row[n][dates[n] :]), _CELL)) for n in used))
        if page.rows:
            table.choose(page.focus)
        self._tell(page.focus)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The record follows the highlight."""
        event.stop()
        self._tell(event.cursor_row)

    @property
    def record(self) -> str:
        """The highlighted row as `column: value` lines."""
        return self._record(self.table.cursor_row).plain

    def _tell(self, row: int) -> None:
        page = self._page
        if not page.rows:
            where = word(self.lang, "no_rows", table=harmless(page.table))
        else:
            where = word(self.lang, "rows_of", table=harmless(page.table), row=row + 1, count=len(page.rows))
        self._where.update(Text(where))
        self._cells.update(self._record(row))

    def _record(self, row: int) -> Text:
        if not 0 <= row < len(self._page.rows):
            return Text()
        pairs = [(c, v) for c, v in zip(self._page.columns, self._page.rows[row], strict=True) if v]
        pairs.sort(key=lambda pair: pair[0] in _BOOKKEEPING)
        wide = max((len(column) for column, _ in pairs), default=0)
        lines = (Text.assemble((f"{harmless(c):{wide}}  ", "bold"), harmless(v)) for c, v in pairs)
        return Text("\n").join(lines)
