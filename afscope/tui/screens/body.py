"""What every screen is: a body that hears of time, range and case, asks in threads, and answers the common keys."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from afscope.model.clock import Micros
from afscope.model.finding import Evidence
from afscope.model.stop import Stop
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.lanes import TimeStrip
from afscope.tui.times import moment, precise
from afscope.tui.words import word

T = TypeVar("T")
_SETTLE_S = 0.06
"""A screen that answers for an instant asks once the cursor has stood still for so long."""


class Body(Vertical):
    """A screen. `name_` is its id; `refill` brings what it shows up to date."""

    name_ = ""
    of_rows = False
    """Whether it shows rows, so that new ones make it out of date."""

    class Answered(Message):
        """A thread has an answer; `take` shows it."""

        def __init__(self, called_off: Stop, take: Callable[[], None]) -> None:
            super().__init__()
            self.called_off, self.take = called_off, take

    def __init__(self, desk: Desk) -> None:
        super().__init__(id=f"body-{self.name_}")
        self.desk = desk
        self.strip = TimeStrip(desk.place, desk.titles, desk.lang, f"strip-{self.name_}")
        self._stops: dict[str, Stop] = {}
        self._open: set[Stop] = set()
        self._settled: Callable[[], None] | None = None
        self._stale = True
        desk.place.hear(self._moved, self._chosen, self._grown)

    # --- what happens to it

    def opened(self) -> None:
        """It is what is seen now."""
        if self._stale:
            self._stale = False
            self.refill()
        self.strip.seen()
        self.moved()

    def renewed(self) -> None:
        """The case is another one."""
        self._stale = True
        if self.seen:
            self.opened()

    def _grown(self) -> None:
        if self.seen:
            self.grown()
        else:
            self._stale = self._stale or self.of_rows

    def _chosen(self) -> None:
        self._stale = True
        if self.seen:
            self.opened()

    def _moved(self) -> None:
        if self.seen:
            self.moved()

    @property
    def seen(self) -> bool:
        """Whether it is the screen that is shown."""
        return self.is_attached and self.display and bool(self.desk)

    def refill(self) -> None:
        """Target, range or case changed: asks anew."""

    def moved(self) -> None:
        """The time cursor moved."""

    def grown(self) -> None:
        """Rows came in; what was concluded is the same."""

    def left(self) -> None:
        """Another screen is about to take its place."""

    # --- keys

    @property
    def grid(self) -> Grid | None:
        """The table that search, filter and j/k are for."""
        return None

    @property
    def heart(self) -> Widget | None:
        """What has the focus when the screen opens."""
        return self.grid

    def other_pane(self) -> None:
        """Tab."""

    def open(self) -> None:
        """Enter."""
        if self.grid is not None:
            self.grid.open()

    def back(self) -> bool:
        """Esc: whether there was something to leave."""
        return False

    @property
    def typing(self) -> bool:
        """Whether letters are text here and no commands."""
        return False

    def run(self) -> None:
        """F5."""

    def older(self, by: int) -> None:
        """^↑ and ^↓."""

    def export(self) -> None:
        """^S."""

    def cycle(self) -> None:
        """b."""

    def filtered(self, text: str) -> None:
        """Only rows that hold a text."""

    def copied(self) -> str:
        """y."""
        line = self.grid.current if self.grid is not None else None
        if line is None:
            return ""
        time = [precise(line.at)] if line.at else []
        return "\t".join([*time, *map(harmless, line.cells)])

    def state(self) -> dict[str, str]:
        """What is worth restoring."""
        return {}

    def restore(self, state: dict[str, str]) -> None:
        """What was worth it."""

    # --- helpers

    def word(self, key: str, **values: object) -> str:
        """A text in the user's language."""
        return word(self.desk.lang, key, **values)

    def time(self, at: Micros) -> str:
        """A time in a table; with its day where there may be doubt."""
        chart = self.desk.place.chart
        return moment(at, chart.start, chart.end, precise)

    @property
    def target(self) -> str:
        """The chosen target."""
        return self.desk.place.chart.target

    def ask(self, about: str, question: Callable[[Stop], T], answer: Callable[[T], None]) -> None:
        """Asks in a thread; the same question asked again calls off the one before."""
        if about in self._stops:
            self._stops[about].now()
        stop = self._stops[about] = Stop()
        self._open.add(stop)

        def run() -> None:
            try:
                found = question(stop)
            except Exception as error:  # a question that fails must not take the screen away
                self.post_message(self.Answered(stop, partial(self.failed, str(error))))
            else:
                self.post_message(self.Answered(stop, partial(answer, found)))

        self.run_worker(run, thread=True, group=f"{self.name_}-{about}", exit_on_error=False)

    def asking(self, about: str) -> bool:
        """Whether a question waits for its answer."""
        return about in self._stops and self._stops[about] in self._open

    def call_off(self, about: str) -> bool:
        """Calls off a question; False when none waits for its answer."""
        if not self.asking(about):
            return False
        self._stops[about].now()
        self._open.discard(self._stops[about])
        return True

    def on_body_answered(self, event: Answered) -> None:
        """Takes an answer, unless it is not wanted any more."""
        event.stop()
        self._open.discard(event.called_off)
        if not event.called_off.asked and self.is_attached:
            event.take()

    def failed(self, why: str) -> None:
        """Says that there is no answer."""
        self.notify(word(self.desk.lang, "no_answer", why=harmless(why)), timeout=6, severity="error", markup=False)

    def evidence(self, table: str, at: Micros, key: str, text: str) -> None:
        """Shows the rows of a table around one that is meant."""
        self.post_message(ShowRows(Evidence(table, at, key, text)))

    def settled(self, then: Callable[[], None]) -> None:
        """Calls `then` once the cursor stands still."""
        first = self._settled is None
        self._settled = then
        if first:
            self.set_timer(_SETTLE_S, self._settle)

    def _settle(self) -> None:
        then, self._settled = self._settled, None
        if then is not None and self.seen:
            then()

    def on_unmount(self) -> None:
        """Nobody waits for answers any more."""
        for stop in self._stops.values():
            stop.now()


class ShowRows(Message):
    """A screen wants the rows of a piece of evidence to be shown."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__()
        self.evidence = evidence
