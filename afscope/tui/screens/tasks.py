"""Tasks: where the waiting went, by DAG, run, task, queue, pool or cause, then attempt by attempt as a waterfall."""

import re
from functools import partial

from rich.text import Text
from textual.app import ComposeResult

from afscope.model.browse import Line, WaitedAttempt, WaitGroup
from afscope.model.clock import SECOND
from afscope.model.timeline import Span, StageWait
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.gantt import Bar, Gantt
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import duration

WAYS = ("dag", "cause", "task", "queue", "pool", "run")
_BAR = 24
_TOLD_S = 0.05
"""Shorter waits are not written out."""


def stage_bar(stages: tuple[StageWait, ...], cells: int) -> str:
    """Waits as letters: each stage has its own, as long as its share."""
    total = sum(wait.seconds for wait in stages)
    shares: dict[str, float] = {}
    for wait in stages:
        shares[wait.stage] = shares.get(wait.stage, 0.0) + wait.seconds
    bar, done = "", 0.0
    for stage in sorted(shares, key=list(palette.STAGES).index):
        done += shares[stage]
        bar += palette.STAGES[stage][1] * (round(done / total * cells) - len(bar) if total else 0)
    return bar


class Tasks(Body):
    """Groups above, the attempts of the chosen group below."""

    name_ = "tasks"
    DEFAULT_CSS = """
    Tasks .about { height: 1; padding: 0 1; text-style: bold; }
    Tasks #grid-tasks { height: 2fr; } Tasks #attempts { height: 3fr; }
    Tasks #attempt { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.by, self.only = WAYS[0], ""
        self._groups: list[WaitGroup] = []
        self._attempts: list[WaitedAttempt] = []
        self._about = Still(classes="about", markup=False)
        self._grid = Grid(desk.lang, "grid-tasks")
        self._gantt = Gantt(desk.lang, "attempts", desk.place)
        self._told = Still(id="attempt", markup=False)

    def compose(self) -> ComposeResult:
        """Time, groups, attempts, the chosen attempt in words."""
        yield self.strip
        yield self._about
        yield self._grid
        yield self._gantt
        yield self._told

    @property
    def grid(self) -> Grid:
        """Groups, or attempts while they have the focus."""
        return self._gantt if self._gantt.has_focus else self._grid

    @property
    def heart(self) -> Grid:
        """Groups first."""
        return self._grid

    def refill(self) -> None:
        """The groups of the range."""
        start, end = self.desk.place.span
        by, target = self.by, self.target
        self.ask("groups", lambda stop: self.desk.case.look.wait_groups(by, target, start, end, stop), self._grouped)

    def _grouped(self, groups: list[WaitGroup]) -> None:
        self._groups = groups
        total = sum(group.seconds for group in groups)
        ways = " ".join(self.word(f"by_{way}") for way in WAYS if way != self.by)
        if self.by == "cause":
            head = self.word("waits_of", seconds=f"{total:,.0f}", n=len(groups), by=self.word(f"by_{self.by}"))
        else:
            tasks = sum(group.attempts for group in groups)
            head = self.word("waits_by", seconds=f"{total:,.0f}", tasks=tasks, by=self.word(f"by_{self.by}"))
        self._about.update(Text.assemble(head, (f"   b: {ways}", "dim")))
        lines = [Line(0, self._cells(group, total), f"{n}") for n, group in enumerate(groups)]
        columns = (f"by_{self.by}", "attempts", "seconds", "share", "p50", "p95", "stages", "cause")
        self._grid.show(Fixed(columns, lines, only=self.only), self._grid.row)
        if not groups:
            self._listed([])

    def _cells(self, group: WaitGroup, total: float) -> tuple[str, ...]:
        name = self.desk.case.cause_title(group.name) if self.by == "cause" else group.name
        share = f"{group.seconds / total * 100:.0f} %" if total else ""
        main = group.stages[0]
        return (
            name or "-", f"{group.attempts}", f"{group.seconds:,.0f}", share, duration(round(group.p50_s * SECOND)),
            duration(round(group.p95_s * SECOND)), stage_bar(group.stages, _BAR),
            self.desk.case.cause_title(main.cause),
        )  # fmt: skip

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Another group brings its attempts, another attempt its words."""
        event.stop()
        if event.grid is self._gantt:
            self._tell()
            if event.by_user and event.line.at:
                self.desk.place.go(event.line.at)
            return
        # What comes in may be about rows that are not there any more.
        line = self._grid.current
        if line is None or int(line.key) >= len(self._groups):
            return
        group = self._groups[int(line.key)]
        start, end = self.desk.place.span
        question = partial(self.desk.case.look.wait_attempts, self.by, group.name, self.target, start, end)
        self.ask("attempts", question, self._listed)

    def _listed(self, attempts: list[WaitedAttempt]) -> None:
        self._attempts = attempts
        self._gantt.draw([_bar(attempt) for attempt in attempts])
        self._tell()

    def _tell(self) -> None:
        attempt = self._chosen_attempt()
        if attempt is None:
            self._told.update("")
            return
        parts = [f"#{attempt.try_number}", attempt.state, attempt.host, f"{attempt.queue}/{attempt.pool}"]
        head = Text.assemble((harmless(attempt.key), "bold"), " ", " · ".join(harmless(part) for part in parts if part))
        waits = Text("   ").join(self._wait(wait) for wait in attempt.stages if wait.seconds >= _TOLD_S)
        self._told.update(Text("\n").join([head, waits]))

    def _wait(self, wait: StageWait) -> Text:
        """A stage, how long, and for what."""
        colour, letter = palette.STAGES[wait.stage]
        lasted = duration(round(wait.seconds * SECOND))
        why = harmless(self.desk.case.cause_title(wait.cause))
        return Text.assemble((f"{letter} ", colour), f"{self.word(f'stage_{wait.stage}')} {lasted}", (f" {why}", "dim"))

    def _chosen_attempt(self) -> WaitedAttempt | None:
        line = self._gantt.current
        return self._attempts[int(line.key)] if line and self._attempts else None

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """From the group to its attempts, from the attempt to its rows."""
        event.stop()
        attempt = self._chosen_attempt()
        if event.grid is self._grid:
            self._gantt.focus()
        elif attempt is not None:
            self.desk.place.go(attempt.runnable_at)
            self.evidence("task_instances", attempt.wait_ended_at, attempt.key, attempt.state)

    def moved(self) -> None:
        """The cursor's column moves through the bars."""
        self._gantt.refresh()

    def back(self) -> bool:
        """From the attempts to the groups."""
        if self._gantt.has_focus:
            self._grid.focus()
            return True
        return False

    def other_pane(self) -> None:
        """Groups and attempts."""
        (self._grid if self._gantt.has_focus else self._gantt).focus()

    def cycle(self) -> None:
        """Groups by something else."""
        self.by = WAYS[(WAYS.index(self.by) + 1) % len(WAYS)]
        self._grid.row = 0
        self.refill()

    def filtered(self, text: str) -> None:
        """Of groups, or of attempts."""
        if self._gantt.has_focus:
            self._gantt.draw(self._gantt.bars, text)
        else:
            self.only = text
            self.refill()

    def state(self) -> dict[str, str]:
        """How it is grouped."""
        return {"by": self.by}

    def restore(self, state: dict[str, str]) -> None:
        """How it was grouped."""
        self.by = state["by"] if state.get("by") in WAYS else self.by


def _bar(attempt: WaitedAttempt) -> Bar:
    """The waits one after the other in the order of the chain, then the run."""
    spans, at = [], attempt.runnable_at
    for wait in attempt.stages:
        end = at + round(wait.seconds * SECOND)
        spans.append(Span(at, end, wait.stage, wait.cause))
        at = end
    if attempt.host and attempt.ended_at != attempt.wait_ended_at:
        spans.append(Span(attempt.wait_ended_at, attempt.ended_at or attempt.wait_ended_at + SECOND, "execute", ""))
    failed = attempt.ended_at if attempt.state in ("failed", "up_for_retry") else None
    waited = duration(attempt.wait_ended_at - attempt.runnable_at)
    return Bar(
        name=attempt.key.split("/", 2)[-1],
        spans=spans,
        key=f"{attempt.key}#{attempt.try_number}",
        marks=[] if failed is None else [(failed, palette.LOST, palette.VERMILLION)],
        note=re.sub(r"(\d+[mhd])\d+[smh]$", r"\1", waited),
        copy=f"{attempt.key} #{attempt.try_number} {attempt.state} {waited}",
    )
