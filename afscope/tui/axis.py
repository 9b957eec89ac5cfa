"""The shared time axis: which instants a column of the terminal stands for. Pure arithmetic on integers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from afscope.model.clock import SECOND, Micros, to_datetime

_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
)  # fmt: skip
_WEEK_S = 604_800
_MIN_LABEL_GAP = 13  # "╷03-01 12:00" and a space
_MIN_COLUMN: Micros = 1000


@dataclass(frozen=True, slots=True)
class Axis:
    """`width` columns over the view [left, right] within the capture [start, end]."""

    start: Micros
    end: Micros
    left: Micros
    right: Micros
    width: int

    @classmethod
    def over(cls, start: Micros, end: Micros, width: int = 1) -> "Axis":
        """The whole range; one second where there is none to show."""
        end = max(end, start + SECOND)
        return cls(start, end, start, end, max(width, 1))

    @property
    def span(self) -> Micros:
        """Length of the view."""
        return self.right - self.left

    @property
    def step(self) -> Micros:
        """Time per column."""
        return max(1, self.span // self.width)

    def sized(self, width: int) -> "Axis":
        """The same view in other columns."""
        return replace(self, width=max(width, 1))

    def edge(self, column: int) -> Micros:
        """The first instant of a column; of `width`, the end of the view."""
        return self.left + self.span * column // self.width

    def column(self, at: Micros) -> int:
        """The column of an instant, also of those out of view (negative, or `width` and more)."""
        if at == self.right:
            return self.width - 1
        column = (at - self.left) * self.width // self.span
        return column + 1 if self.edge(column + 1) <= at else column

    def visible(self, at: Micros) -> bool:
        """Whether an instant is in the view."""
        return self.left <= at <= self.right

    def clamped(self, at: Micros) -> Micros:
        """The nearest instant of the capture."""
        return min(self.end, max(self.start, at))

    def whole(self) -> "Axis":
        """The view of everything."""
        return replace(self, left=self.start, right=self.end)

    def grown(self, start: Micros, end: Micros) -> "Axis":
        """The view in a capture with other ends: the whole stays the whole, its end stays its end."""
        end = max(end, start + SECOND)
        axis = replace(self, start=start, end=end)
        if self.left <= self.start and self.right >= self.end:
            return axis.whole()
        return axis._at(end - self.span if self.right >= self.end else self.left, min(self.span, end - start))

    def zoomed(self, factor: float, around: Micros) -> "Axis":
        """A view `factor` times as long in which `around` keeps its column as far as the capture's ends allow."""
        span = min(self.end - self.start, max(round(self.span * factor), self.width * _MIN_COLUMN))
        share = (around - self.left) / self.span
        return self._at(round(around - span * share), span)

    def showing(self, at: Micros) -> "Axis":
        """The same zoom, moved just far enough to show `at` with a tenth of the view around it."""
        if self.visible(at):
            return self
        margin = self.span // 10
        return self._at(at - margin if at < self.left else at + margin - self.span, self.span)

    def moved(self, by: Micros) -> "Axis":
        """The same zoom, earlier or later, as far as the capture's ends allow."""
        return self._at(self.left + by, self.span)

    def over_view(self, left: Micros, right: Micros) -> "Axis":
        """A view of [left, right]; a column is never less than a millisecond."""
        return self._at(left, min(self.end - self.start, max(right - left, self.width * _MIN_COLUMN)))

    def _at(self, left: Micros, span: Micros) -> "Axis":
        left = min(max(left, self.start), max(self.end - span, self.start))
        return replace(self, left=left, right=min(left + span, self.end))

    def labels(self) -> Iterator[tuple[int, str]]:
        """Columns and texts of round times, far enough apart to be read."""
        wanted = self.span * _MIN_LABEL_GAP // self.width
        weeks = -(-wanted // (_WEEK_S * SECOND)) * _WEEK_S
        step = next((s for s in _STEPS_S if s * SECOND >= wanted), weeks) * SECOND
        form = "%H:%M:%S" if step < 60 * SECOND else "%H:%M" if step < 43_200 * SECOND else "%m-%d %H:%M"
        for at in range(-(-self.left // step) * step, self.right + 1, step):
            yield self.column(at), to_datetime(at).strftime(form)
