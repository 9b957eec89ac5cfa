"""Keys of lists and tables: up and down, search, filter, and those of the SQL screen."""

from textual.widgets import OptionList

from afscope.tui.harmless import harmless
from afscope.tui.overlays import Prompt
from afscope.tui.time_keys import TimeKeys
from afscope.tui.words import word


class TableKeys(TimeKeys):
    """The other half of the case screen."""

    def action_down(self) -> None:
        """Down in the list or table that is active."""
        self._vertical(1)

    def action_up(self) -> None:
        """Up in the list or table that is active."""
        self._vertical(-1)

    def _vertical(self, by: int) -> None:
        focused = self.focused
        if self.current == "overview":
            self.overview.down_or_up(by)
        elif isinstance(focused, OptionList):
            focused.action_cursor_down() if by > 0 else focused.action_cursor_up()
        elif self.body.grid is not None:
            self.body.grid.by(by)

    def action_page_down(self) -> None:
        """A screenful down."""
        self._paged(1)

    def action_page_up(self) -> None:
        """A screenful up."""
        self._paged(-1)

    def _paged(self, by: int) -> None:
        if isinstance(self.focused, OptionList):
            self.call_later(self.focused.run_action, "page_down" if by > 0 else "page_up")
        elif self.body.grid is not None:
            self.body.grid.page(by)

    def action_search(self) -> None:
        """Asks for a text and goes to the first row that holds it."""
        grid = self.body.grid

        def go(text: str | None) -> None:
            if grid is not None and text is not None:
                grid.found = text
                grid.refresh()
                self._match(1)

        if grid is not None:
            self.app.push_screen(Prompt(word(self.desk.lang, "search_for"), grid.found), go)

    def action_filter(self) -> None:
        """Asks for a text and shows only rows that hold it."""

        def go(text: str | None) -> None:
            if text is not None:
                self.body.filtered(text)

        self.app.push_screen(Prompt(word(self.desk.lang, "filter_by"), hint=word(self.desk.lang, "filter_hint")), go)

    def action_next_match(self) -> None:
        """The next row that holds the text."""
        self._match(1)

    def action_previous_match(self) -> None:
        """The row before."""
        self._match(-1)

    def _match(self, step: int) -> None:
        grid = self.body.grid
        if grid is None or not grid.found:
            return
        rows, text, row = grid.rows, grid.found, grid.row

        def arrive(found: int | None) -> None:
            if found is None:
                self.say(word(self.desk.lang, "no_match", text=harmless(text)))
            else:
                grid.move(found)

        if rows.instant:
            arrive(rows.next_hit(text, row, step))
        else:
            self.body.ask("match", lambda stop: rows.next_hit(text, row, step, stop), arrive)

    def action_cycle(self) -> None:
        """Another stream, another grouping."""
        self.body.cycle()

    # --- keys: SQL

    def action_run(self) -> None:
        """Runs what the screen is for."""
        self.body.run()

    def action_older_query(self) -> None:
        """The query before."""
        self.body.older(-1)

    def action_newer_query(self) -> None:
        """The query after."""
        self.body.older(1)

    def action_export(self) -> None:
        """The result, to a file."""
        self.body.export()
