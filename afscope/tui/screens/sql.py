"""SQL: an editor over capture and facts, its history, and results that can be kept."""

from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import TextArea

from afscope.model.browse import Answer, Line
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.overlays import Prompt
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import between

FIRST = "SELECT cause, stage, round(sum(seconds)) AS seconds\nFROM waits GROUP BY ALL ORDER BY seconds DESC"
"""What a new user finds in the editor."""
MOST_HISTORY = 200


class Editor(TextArea):
    """A SQL editor; highlighted where the grammar is installed."""

    DEFAULT_CSS = "Editor { height: 8; border: none; border-left: thick $primary; padding: 0 1; }"


def editor(text: str) -> Editor:
    """With the SQL grammar of textual[syntax] if this installation has it."""
    try:
        import tree_sitter_sql  # noqa: F401
    except ImportError:
        return Editor(text, id="editor", show_line_numbers=False, tab_behavior="focus")
    return Editor(text, id="editor", language="sql", show_line_numbers=False, tab_behavior="focus")


class Sql(Body):
    """Editor above, result below."""

    name_ = "sql"
    DEFAULT_CSS = "Sql .range { height: 1; padding: 0 1; } Sql .about { height: 1; padding: 0 1; text-style: bold; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._editor = editor(desk.queries[-1] if desk.queries else FIRST)
        self._range = Still(classes="range", markup=False)
        self._about = Still(classes="about", markup=False)
        self._grid = Grid(desk.lang, "grid-sql", raw=True)
        self._answered: str = ""
        self._answer = Answer((), (), cut=False)
        self._at = len(desk.queries)
        self.only = ""

    def compose(self) -> ComposeResult:
        """Editor, the range, what came of it, rows."""
        yield self._editor
        yield self._range
        yield self._about
        yield self._grid

    @property
    def grid(self) -> Grid:
        """The result."""
        return self._grid

    @property
    def typing(self) -> bool:
        """In the editor."""
        return self._editor.has_focus

    @property
    def heart(self) -> Widget:
        """Typing comes first."""
        return self._editor

    def on_mount(self) -> None:
        """Says how."""
        self._about.update(Text(self.word("sql_hint"), "dim"))

    def refill(self) -> None:
        """Which range a query may ask for."""
        place = self.desk.place
        about = self.word("sql_range" if place.range else "sql_whole", range=between(*place.span))
        self._range.update(Text(about, palette.ORANGE if place.range else "dim"))

    def run(self) -> None:
        """Runs what the editor holds; a second run calls off the first."""
        sql, span = self._editor.text, self.desk.place.span
        self._about.update(Text(self.word("sql_running")))
        queries = self.desk.queries
        if sql.strip() and (not queries or queries[-1] != sql):
            queries.append(sql)
            del queries[:-MOST_HISTORY]
        self._at = len(queries)
        self.ask("query", lambda stop: (sql, self.desk.case.look.query(sql, span, stop)), self._shown)

    def _shown(self, found: tuple[str, Answer]) -> None:
        self._answered, self._answer = found
        self._list()
        if self._answer.rows:
            self._grid.focus()

    def _list(self) -> None:
        answer = self._answer
        lines = [Line(0, row, f"{n}") for n, row in enumerate(answer.rows)]
        rows = Fixed(answer.columns, lines, only=self.only)
        self._grid.show(rows)
        count = self.word("sql_cut" if answer.cut else "sql_rows", n=f"{rows.total:,}")
        self._about.update(Text.assemble(count, (f"   {self.word('sql_keep')}", "dim")))

    def failed(self, why: str) -> None:
        """DuckDB's own words, where the result would be."""
        self._about.update(Text(harmless(why), "bold red"))

    def older(self, by: int) -> None:
        """Another query of the history."""
        queries = self.desk.queries
        self._at = max(0, min(len(queries), self._at + by))
        self._editor.text = queries[self._at] if self._at < len(queries) else ""

    def export(self) -> None:
        """Asks for a file name, then writes the whole result there."""
        sql, span = self._answered or self._editor.text, self.desk.place.span

        def write(name: str | None) -> None:
            if name:
                out = Path(name).expanduser()
                self.ask(
                    "export",
                    lambda stop: self.desk.case.look.export(sql, out, span, stop),
                    lambda rows: self._about.update(Text(self.word("exported", n=f"{rows:,}", path=harmless(out)))),
                )

        self.app.push_screen(Prompt(self.word("export_to"), "result.csv", self.word("export_forms")), write)

    def other_pane(self) -> None:
        """Editor and result."""
        (self._grid if self._editor.has_focus else self._editor).focus()

    def back(self) -> bool:
        """Calls off a query under way; else from the editor to the result, where letters are commands."""
        if self.call_off("query"):
            self._about.update(Text(self.word("called_off"), palette.ORANGE))
            return True
        if self._editor.has_focus:
            self._grid.focus()
            return True
        return False

    def filtered(self, text: str) -> None:
        """Only rows of the result that hold a text."""
        self.only = text
        self._list()

    def copied(self) -> str:
        """A row with its names, or all of a short result from the editor."""
        line = self._grid.current
        names = "\t".join(map(harmless, self._answer.columns))
        if self._editor.has_focus or line is None:
            rows = ("\t".join(map(harmless, row)) for row in self._answer.rows)
            return "\n".join([names, *rows]) if names else ""
        return names + "\n" + "\t".join(map(harmless, line.cells))

    def state(self) -> dict[str, str]:
        """What was typed."""
        return {"text": self._editor.text}

    def restore(self, state: dict[str, str]) -> None:
        """What was typed."""
        self._editor.text = state.get("text", self._editor.text)
