"""Scheduler and limits: every cap, heartbeat and queue as it stood at the cursor's time."""

from rich.text import Text
from textual.app import ComposeResult

from afscope.model.browse import Limit, Line
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still

COLUMNS = ("kind", "name", "used", "cap", "fill", "waiting", "note")
_BAR = 12
_LATE_S = 30
"""A heartbeat is due every 5 s, and Airflow calls a job dead after 30 s."""


def cells(limit: Limit) -> tuple[str, ...]:
    """One cap as text; a full one says so in its bar."""
    if limit.kind == "heartbeat":
        used = "?" if limit.used is None else f"{limit.used:.1f}s"
        late = limit.used is not None and limit.used > _LATE_S
        return (limit.kind, limit.name, used, f"{_LATE_S}s", "LATE" if late else "ok", "", limit.note)
    full = limit.cap is not None and limit.used is not None and limit.used >= limit.cap
    share = min(1.0, limit.used / limit.cap) if limit.used and limit.cap else 0.0
    bar = "FULL" if full and limit.used else "█" * round(share * _BAR)
    waiting = "" if not limit.waiting else f"{limit.waiting}"
    return (limit.kind, limit.name, _whole(limit.used), _whole(limit.cap), bar, waiting, limit.note)


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def tint(column: str, cell: str) -> str:
    """What is full, late or paused stands out."""
    return palette.VERMILLION if cell in ("FULL", "LATE", "paused") else palette.GREEN if column == "fill" else ""


class Limits(Body):
    """One table that moves with the time."""

    name_ = "limits"
    DEFAULT_CSS = "Limits .about { height: 1; padding: 0 1; text-style: bold; }"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.only = ""
        self._about = Still(classes="about", markup=False)
        self._grid = Grid(desk.lang, "grid-limits", tint=tint)

    def compose(self) -> ComposeResult:
        """Time and table."""
        yield self.strip
        yield self._about
        yield self._grid

    @property
    def grid(self) -> Grid:
        """The table."""
        return self._grid

    def refill(self) -> None:
        """The caps at the cursor."""
        at = self.desk.place.cursor
        self.ask("limits", lambda stop: self.desk.case.look.limits(at, stop), self._listed)

    def _listed(self, limits: list[Limit]) -> None:
        when = self.time(self.desk.place.cursor)
        full = sum(
            bool(limit.cap) and (limit.used or 0) >= (limit.cap or 0) for limit in limits if limit.kind != "heartbeat"
        )
        self._about.update(Text(self.word("limits_at", when=when, full=full)))
        lines = [Line(0, cells(limit), f"{limit.kind}/{limit.name}") for limit in limits]
        row, top = self._grid.row, self._grid.scroll_y
        self._grid.show(Fixed(COLUMNS, lines, only=self.only), row)
        self._grid.scroll_to(y=top, animate=False)

    def moved(self) -> None:
        """Asks again once the cursor stands still."""
        self.settled(self.refill)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """The rows that the cap was read from."""
        event.stop()
        kind, name = event.line.key.split("/", 1)
        table = {"pool": "pools", "heartbeat": "jobs", "broker": "broker_queues", "executor": "airflow_config"}.get(
            kind, "dags"
        )
        key = f"id={name.rsplit('#', 1)[-1]}" if kind == "heartbeat" else name.split()[-1]
        self.evidence(table, self.desk.place.cursor, key, "")

    def filtered(self, text: str) -> None:
        """Only rows that hold a text."""
        self.only = text
        self.refill()
