"""Autoscaler: each write of spec.replicas with what led to it, and each look of the HPA at its metric."""

from rich.text import Text
from textual.app import ComposeResult

from afscope.model.browse import Line, Scaling
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still

COLUMNS = ("what", "replicas", "author", "metric", "ratio", "band", "desired", "limited", "reason")


def number(value: float | None) -> str:
    """Up to two decimals; a question mark where nobody knows."""
    return "?" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


class Autoscaler(Body):
    """A table of decisions; the chosen one is explained below."""

    name_ = "autoscaler"
    DEFAULT_CSS = """
    Autoscaler .about { height: 1; padding: 0 1; text-style: bold; }
    Autoscaler #explained { height: 4; padding: 0 1; border-top: solid $surface; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.writes_only, self.only = False, ""
        self._every: list[Scaling] = []
        self._about = Still(classes="about", markup=False)
        self._grid = Grid(desk.lang, "grid-autoscaler", tint=self._tint, time=self.time)
        self._explained = Still(id="explained", markup=False)

    def compose(self) -> ComposeResult:
        """Time, table, explanation."""
        yield self.strip
        yield self._about
        yield self._grid
        yield self._explained

    @property
    def grid(self) -> Grid:
        """The table."""
        return self._grid

    def refill(self) -> None:
        """The decisions of the target within the range."""
        target = self.target
        self.ask("scaling", lambda stop: self.desk.case.look.scaling(target, stop), self._listed)

    def _listed(self, every: list[Scaling]) -> None:
        start, end = self.desk.place.span
        self._every = [s for s in every if start <= s.at <= end]
        shown = [(n, s) for n, s in enumerate(self._every) if s.kind == "write" or not self.writes_only]
        writes = sum(s.kind == "write" for s in self._every)
        about = self.word(
            "decisions_of", writes=writes, looks=len(self._every) - writes, target=harmless(self.target) or "-"
        )
        self._about.update(Text.assemble(about, (f"   b: {self.word('writes_only')}", "dim")))
        lines = [Line(s.at, self._cells(s), f"{n}") for n, s in shown]
        rows = Fixed(COLUMNS, lines, timed=True, only=self.only)
        self._grid.show(rows, rows.row_at(self.desk.place.cursor))

    def _cells(self, s: Scaling) -> tuple[str, ...]:
        what = palette.DECISION if s.kind == "write" else "×" if s.answered is False else "·"
        size = f"{s.before} → {s.after}" if s.kind == "write" else ""
        band = f"{number(s.low)}–{number(s.high)}" if s.low is not None else "?"
        return (what, size, s.author if size else "", number(s.metric), number(s.ratio), band, number(s.desired),
                s.limited, s.reason if size else "")  # fmt: skip

    def _tint(self, column: str, cell: str) -> str:
        if column == "what":
            return palette.VERMILLION if cell == "×" else palette.SKY
        return palette.VERMILLION if column == "limited" and cell.startswith("Failed") else ""

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Explains; the time follows."""
        event.stop()
        s = self.chosen
        if s is not None:
            self._explained.update(self.explain(s))
            if event.by_user:
                self.desk.place.go(s.at)

    @property
    def chosen(self) -> Scaling | None:
        """The row under the cursor: what comes in may be about rows that are not there any more."""
        line = self._grid.current
        return self._every[int(line.key)] if line and int(line.key) < len(self._every) else None

    def explain(self, s: Scaling) -> Text:
        """How the numbers belong together."""
        if s.kind == "write":
            head = self.word(
                "write_by",
                before=s.before,
                after=s.after,
                author=harmless(s.author),
                sure=f"{(s.confidence or 0) * 100:.0f}",
            )
        else:
            head = self.word({True: "look_ok", False: "look_failed", None: "look_none"}[s.answered])
        lines = [Text(head, "bold")]
        if s.metric is None:
            lines.append(Text(self.word("no_metric")))
        elif s.low is not None and s.high is not None:
            inside = s.low <= s.metric <= s.high
            lines.append(
                Text(
                    self.word(
                        "band_in" if inside else "band_out",
                        metric=number(s.metric),
                        low=number(s.low),
                        high=number(s.high),
                        desired=number(s.desired),
                    )
                )
            )
        tail = " · ".join(harmless(part) for part in (s.limited, s.reason) if part)
        if tail:
            lines.append(Text(tail, "dim"))
        return Text("\n").join(lines)

    def moved(self) -> None:
        """The row follows the time."""
        line = self._grid.current
        if self._grid.rows.total and (line is None or line.at != self.desk.place.cursor):
            self._grid.move(self._grid.rows.row_at(self.desk.place.cursor), by_user=False)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """The rows of workload or HPA."""
        event.stop()
        s = self.chosen
        if s is not None:
            self.evidence("workloads" if s.kind == "write" else "hpas", s.at, s.key, s.reason)

    def cycle(self) -> None:
        """Writes alone, or looks as well."""
        self.writes_only = not self.writes_only
        self.refill()

    def filtered(self, text: str) -> None:
        """Only rows that hold a text."""
        self.only = text
        self.refill()
