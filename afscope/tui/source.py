"""What the screen needs of an analyzed capture: the engine's Investigation, or a case made by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from afscope.model.browse import (
    Answer,
    Ask,
    Limit,
    Line,
    Listing,
    PodLife,
    Scaling,
    SourceLine,
    WaitedAttempt,
    WaitGroup,
)
from afscope.model.clock import Micros
from afscope.model.finding import Analysis, Evidence
from afscope.model.stop import Stop
from afscope.model.timeline import Chart, RowPage


class Looking(Protocol):
    """Typed answers to what screens ask. Methods with a `stop` are asked in threads, several at a time."""

    def listing(self, ask: Ask, stop: Stop | None = None) -> Listing:
        """How many rows an Ask has."""
        ...

    def longer(self, listing: Listing, stop: Stop | None = None) -> Listing:
        """The same rows, and those that came since."""
        ...

    def lines(self, listing: Listing, first: int, count: int, stop: Stop | None = None) -> list[Line]:
        """Some rows."""
        ...

    def row_at(self, listing: Listing, at: Micros, stop: Stop | None = None) -> int:
        """The first row at or after an instant."""
        ...

    def hits(self, listing: Listing, text: str, stop: Stop | None = None) -> tuple[int, ...]:
        """Where a text is found."""
        ...

    def next_hit(
        self, listing: Listing, hits: Sequence[int], text: str, row: int, step: int, stop: Stop | None = None
    ) -> int | None:
        """The next row with a text."""
        ...

    def wait_groups(
        self, by: str, target: str, start: Micros, end: Micros, stop: Stop | None = None
    ) -> list[WaitGroup]:
        """Waits by what attempts have in common."""
        ...

    def wait_attempts(
        self, by: str, name: str, target: str, start: Micros, end: Micros, stop: Stop | None = None
    ) -> list[WaitedAttempt]:
        """The attempts of a group."""
        ...

    def pods(self, target: str, stop: Stop | None = None) -> list[PodLife]:
        """Lives of worker pods."""
        ...

    def scaling(self, target: str, stop: Stop | None = None) -> list[Scaling]:
        """Writes of spec.replicas, and what the HPA saw."""
        ...

    def limits(self, at: Micros, stop: Stop | None = None) -> list[Limit]:
        """Every cap at an instant."""
        ...

    def sources(self) -> list[SourceLine]:
        """The tables of the capture."""
        ...

    def damage(self) -> tuple[str, ...]:
        """What could not be read and was left out, one sentence each; empty where all was whole."""
        ...

    def left_out(self) -> tuple[str, ...]:
        """What an import could not read: "file:line: why"."""
        ...

    def costs(self, start: Micros, end: Micros, stop: Stop | None = None) -> Chart:
        """The recorder's own cost."""
        ...

    def query(self, sql: str, span: tuple[Micros, Micros] | None = None, stop: Stop | None = None) -> Answer:
        """A query of the user; $from and $to are the ends of `span`, else of the capture."""
        ...

    def export(self, sql: str, out: Path, span: tuple[Micros, Micros] | None = None, stop: Stop | None = None) -> int:
        """Its whole result, to a file."""
        ...

    def cut(self, out: Path, start: Micros, end: Micros) -> int:
        """A stretch of time, as a capture of its own."""
        ...


class CaseFile(Protocol):
    """One capture, analyzed. `analysis` and `charts` may compute on first use: the screen asks for them in a thread."""

    @property
    def analysis(self) -> Analysis:
        """Verdict, findings and rulings, with texts in the UI's language."""
        ...

    @property
    def charts(self) -> tuple[Chart, ...]:
        """One per target, plus one for target "" when some tasks belong to none."""
        ...

    @property
    def look(self) -> Looking:
        """Everything beside the analysis."""
        ...

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The table rows around a piece of evidence."""
        ...

    def cause_title(self, cause: str) -> str:
        """A cause in one line, in the UI's language."""
        ...


News = tuple[Analysis, tuple[Chart, ...]]
"""Analysis and charts of a capture that has grown."""


class LiveFile(CaseFile, Protocol):
    """A case whose rows go on while its analysis stays."""

    def refreshed(self) -> News:
        """Over all rows of now. Asked in a thread."""
        ...

    def take(self, news: News) -> None:
        """From now on `analysis` and `charts` are these."""
        ...


class Growth(Protocol):
    """The rows of a capture that is being recorded. Asked in one thread."""

    def poll(self) -> bool:
        """Takes in what was added; False when that was nothing."""
        ...

    def case(self, analyzed: Any = None) -> LiveFile:
        """These rows with what `Load` gave, or with no analysis yet."""
        ...


Load = Callable[[], CaseFile]
"""Opens and analyzes a capture. Runs in a thread; its errors end the program."""
