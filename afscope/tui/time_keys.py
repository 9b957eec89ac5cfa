"""Keys that move through time: cursor, view, play, marks and ranges. What they do to the place is in place.py."""

from textual.screen import Screen
from textual.timer import Timer

from afscope.model.clock import SECOND, Micros
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.live import Live
from afscope.tui.overlays import Jump
from afscope.tui.place import Place
from afscope.tui.screens.body import Body
from afscope.tui.screens.findings import Findings
from afscope.tui.screens.overview import Overview
from afscope.tui.times import between, jump
from afscope.tui.words import word

_FRAME_S = 1 / 20
SPEEDS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""How many seconds of the capture pass in one."""
_PLAY_S = 20.0
"""A first play goes through the view in about this time."""


class TimeKeys(Screen[None]):
    """Half of the case screen."""

    desk: Desk
    live: Live | None
    overview: Overview
    bodies: dict[str, Body]
    current: str
    _speed = -1
    _playing: Timer | None = None

    @property
    def body(self) -> Body:
        """The screen that is shown."""
        return self.bodies[self.current]

    @property
    def place(self) -> Place:
        """Where the user is."""
        return self.desk.place

    @property
    def plays(self) -> bool:
        """Whether the cursor runs by itself."""
        return self._playing is not None

    def say(self, text: str, *, bad: bool = False) -> None:
        """A few words at the edge, for a moment."""
        self.notify(text, timeout=6 if bad else 3, severity="error" if bad else "information", markup=False)

    def retag(self) -> None:
        """The header says whether it plays."""

    def action_earlier(self) -> None:
        """Cursor one column earlier; in a table that is wider than its pane, arrows scroll."""
        self._sideways(-1)

    def action_later(self) -> None:
        """Cursor one column later."""
        self._sideways(1)

    def _sideways(self, by: int) -> None:
        table = self.overview.arrows_scroll() if self.current == "overview" else None
        if table is None:
            self.place.by_columns(by)
        elif by < 0:
            table.action_scroll_left()
        else:
            table.action_scroll_right()

    def action_pan_left(self) -> None:
        """View half a screen earlier."""
        self.place.pan(-0.5)

    def action_pan_right(self) -> None:
        """View half a screen later."""
        self.place.pan(0.5)

    def action_previous_change(self) -> None:
        """Cursor to the previous change."""
        self.place.by_change(-1)

    def action_next_change(self) -> None:
        """Cursor to the next change."""
        self.place.by_change(1)

    def action_previous_decision(self) -> None:
        """Cursor to the previous write of spec.replicas."""
        self.place.by_tick("decision", -1)

    def action_next_decision(self) -> None:
        """Cursor to the next write of spec.replicas."""
        self.place.by_tick("decision", 1)

    def action_previous_event(self) -> None:
        """Cursor to the previous warning."""
        self.place.by_tick("warning", -1)

    def action_next_event(self) -> None:
        """Cursor to the next warning."""
        self.place.by_tick("warning", 1)

    def action_previous_gap(self) -> None:
        """Cursor to the previous gap."""
        self.place.by_gap(-1)

    def action_next_gap(self) -> None:
        """Cursor to the next gap."""
        self.place.by_gap(1)

    def action_previous_finding(self) -> None:
        """The finding before, in the order of the list."""
        self._step_finding(-1)

    def action_next_finding(self) -> None:
        """The next finding, in the order of the list."""
        self._step_finding(1)

    def _step_finding(self, by: int) -> None:
        body = self.body
        if isinstance(body, Findings):
            body.grid.by(by)
        else:
            self.overview.step_finding(by)

    def action_zoom_in(self) -> None:
        """Half the time span."""
        self.place.zoom(0.5)

    def action_zoom_out(self) -> None:
        """Twice the time span."""
        self.place.zoom(2.0)

    def action_whole(self) -> None:
        """The whole range."""
        self.place.whole()

    def action_first(self) -> None:
        """Cursor to the start of the capture; in a table to its first row."""
        grid = self._grid_in_focus()
        if grid is not None:
            grid.move(0)
        else:
            self.place.go(self.place.axis.start)

    def action_last(self) -> None:
        """Cursor to the end of the capture; in a table to its last row."""
        grid = self._grid_in_focus()
        if grid is not None:
            grid.move(grid.rows.total - 1)
        else:
            self.place.go(self.place.axis.end)

    def _grid_in_focus(self) -> Grid | None:
        return self.focused if isinstance(self.focused, Grid) else None

    def action_jump(self) -> None:
        """Asks for a time."""
        chart = self.place.chart

        def understand(text: str) -> Micros:
            return jump(text, cursor=self.place.cursor, start=chart.start, end=chart.end)

        def arrive(at: Micros | None) -> None:
            if at is not None:
                self.place.go(at)

        self.app.push_screen(Jump(self.desk.lang, understand, between(chart.start, chart.end)), arrive)

    def action_play(self) -> None:
        """Live: holds the screen still, or lets it go on; recorded: the cursor runs, or stops."""
        if self.live is not None and self.live.why_ended is None:
            self.live.pause(paused=not self.live.paused)
        elif self._playing is not None:
            self._halt()
        else:
            if self._speed < 0:
                wanted = self.place.axis.span / SECOND / _PLAY_S
                self._speed = min(range(len(SPEEDS)), key=lambda n: abs(SPEEDS[n] - wanted))
            if self.place.cursor >= self.place.axis.end:
                self.place.go(self.place.axis.start)
            self._playing = self.set_interval(_FRAME_S, self._frame)
        self.retag()

    def _frame(self) -> None:
        self.place.go(self.place.cursor + round(SPEEDS[self._speed] * _FRAME_S * SECOND))
        if self.place.cursor >= self.place.axis.end:
            self._halt()

    def _halt(self) -> None:
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
            self.retag()

    def action_slower(self) -> None:
        """Plays at half the speed or so."""
        self._speed = max(0, self._speed - 1)
        self.retag()

    def action_faster(self) -> None:
        """Plays at twice the speed or so."""
        self._speed = min(len(SPEEDS) - 1, self._speed + 1)
        self.retag()

    def action_mark(self) -> None:
        """Sets or takes away a mark."""
        self.say(word(self.desk.lang, "marked" if self.place.mark() else "unmarked"))

    def action_next_mark(self) -> None:
        """Cursor to the next mark."""
        self.place.by_mark()

    def action_range(self) -> None:
        """One end of a range, then the other."""
        self.place.begin_or_end_range()
        if self.place.anchor is not None:
            self.say(word(self.desk.lang, "range_begun"))
        elif self.place.range is not None:
            self.say(word(self.desk.lang, "range_is", range=between(*self.place.range)))

    def action_clear_range(self) -> None:
        """The whole capture again."""
        self.place.select(None)

    def action_zoom_range(self) -> None:
        """The view becomes the range."""
        self.place.look_at_range()
