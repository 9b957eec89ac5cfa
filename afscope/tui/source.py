"""What the screen needs of an analyzed capture: the engine's Investigation, or a case made by hand."""

from collections.abc import Callable
from typing import Protocol

from afscope.model.finding import Analysis, Evidence
from afscope.model.timeline import Chart, RowPage


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

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        """The table rows around a piece of evidence."""
        ...

    def cause_title(self, cause: str) -> str:
        """A cause in one line, in the UI's language."""
        ...


Load = Callable[[], CaseFile]
"""Opens and analyzes a capture. Runs in a thread; its errors end the program."""
