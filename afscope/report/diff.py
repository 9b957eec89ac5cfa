"""Two investigations compared: waits, lost work, pod-hours, causes; each difference with how sure it is.

Waits are compared by bootstrap intervals: whole DAG runs are drawn with replacement, because the attempts of one run
wait for the same things and are not independent; from fewer than `LEAST` runs on a side no interval is drawn. Lost work
and pod-hours are counts of what is on record, not samples: they have no interval, and what a gap may hide is said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afscope.model.clock import Micros
from afscope.model.finding import Analysis, Role
from afscope.model.timeline import AttemptWait
from afscope.report.measures import Measures, measures, wait_seconds

if TYPE_CHECKING:
    import numpy as np

    from afscope.engine.investigation import Investigation

RESAMPLES, LEVEL = 2000, 0.95
LEAST = 5
"""Fewer DAG runs than this on a side say nothing about other days."""
UNIT = "dag_run"
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison, reduced to what is compared."""

    name: str
    start: Micros
    end: Micros
    analysis: Analysis
    attempts: tuple[AttemptWait, ...]
    told: Measures

    @property
    def mean(self) -> float | None:
        """Mean wait in seconds."""
        total = self.told.wait_total_s
        return total / self.told.attempts if total is not None and self.told.attempts else None

    @property
    def runs(self) -> int:
        """DAG runs among the attempts: the units that are drawn."""
        return len({(attempt.dag_id, attempt.run_id) for attempt in self.attempts})


@dataclass(frozen=True, slots=True)
class Change:
    """One measure: `interval` bounds b - a; `verdict` is worse, better, no_difference_shown, counted, cannot_tell."""

    measure: str
    a: float | None
    b: float | None
    interval: Interval | None
    verdict: str
    because: str

    @property
    def difference(self) -> float | None:
        """b - a."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True, slots=True)
class CauseChange:
    """One cause: its costs on both sides, its seconds per attempt, and how the change is to be read."""

    cause: str
    change: str
    roles: tuple[str | None, str | None]
    waiting: tuple[float, float]
    lost: tuple[float, float]
    per_attempt: tuple[float | None, float | None]
    interval: Interval | None
    confidence: float
    because: str


@dataclass(frozen=True, slots=True)
class Diff:
    """The comparison."""

    a: Side
    b: Side
    seed: int
    measures: tuple[Change, ...]
    causes: tuple[CauseChange, ...]


def side(opened: "Investigation", name: str) -> Side:
    """What is compared of an investigation; it may be closed afterwards."""
    return Side(name, opened.start, opened.end, opened.analysis, tuple(opened.waits()), measures(opened))


def diff(a: Side, b: Side, *, seed: int = 0, resamples: int = RESAMPLES) -> Diff:
    """Compares two sides. The same seed gives the same intervals."""
    draws = _Draws(a, b, seed, resamples)
    return Diff(a, b, seed, tuple(_measures(a, b, draws)), tuple(_causes(a, b, draws)))


class _Draws:
    """Bootstrap weights of both sides: a row per resample, a column per DAG run."""

    def __init__(self, a: Side, b: Side, seed: int, resamples: int) -> None:
        import numpy as np

        generator = np.random.default_rng(seed)
        enough = min(a.runs, b.runs) >= LEAST
        self._runs = [_run_numbers(a.attempts), _run_numbers(b.attempts)]
        self._weights = [
            generator.multinomial(n, np.full(n, 1 / n), size=resamples) if enough else None for n in (a.runs, b.runs)
        ]

    def mean(self, values: tuple[Sequence[float], Sequence[float]]) -> Interval | None:
        """Interval of the difference of means; `values` belong to the attempts of each side."""
        return self._interval([self._means(number, part) for number, part in enumerate(values)])

    def quantile(self, values: tuple[Sequence[float], Sequence[float]], share: float) -> Interval | None:
        """Interval of the difference of a quantile."""
        return self._interval([self._quantiles(number, part, share) for number, part in enumerate(values)])

    def _means(self, number: int, values: Sequence[float]) -> "np.ndarray | None":
        import numpy as np

        weights = self._weights[number]
        if weights is None:
            return None
        runs = self._runs[number]
        sums = np.bincount(runs, weights=np.asarray(values), minlength=weights.shape[1])
        sizes = np.bincount(runs, minlength=weights.shape[1])
        means: np.ndarray = (weights @ sums) / np.maximum(weights @ sizes, 1)
        return means

    def _quantiles(self, number: int, values: Sequence[float], share: float) -> "np.ndarray | None":
        import numpy as np

        weights = self._weights[number]
        if weights is None:
            return None
        order = np.argsort(np.asarray(values))
        ordered, runs = np.asarray(values)[order], self._runs[number][order]
        out = np.empty(len(weights))
        for place, row in enumerate(weights):  # one row at a time: all at once would need a resample's worth each
            heaped = np.cumsum(row[runs])
            out[place] = ordered[min(int(np.searchsorted(heaped, share * heaped[-1])), len(ordered) - 1)]
        return out

    def _interval(self, parts: "Sequence[np.ndarray | None]") -> Interval | None:
        import numpy as np

        left, right = parts
        if left is None or right is None:
            return None
        low, high = np.quantile(right - left, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return round(float(low), 3), round(float(high), 3)


def _run_numbers(attempts: Iterable[AttemptWait]) -> "np.ndarray":
    import numpy as np

    numbers: dict[tuple[str, str], int] = {}
    return np.array([numbers.setdefault((a.dag_id, a.run_id), len(numbers)) for a in attempts], dtype=int)


def _measures(a: Side, b: Side, draws: _Draws) -> Iterator[Change]:
    waits = ([wait_seconds(x) for x in a.attempts], [wait_seconds(x) for x in b.attempts])
    yield _sampled("wait_mean_s", a.mean, b.mean, draws.mean(waits), a, b)
    yield _sampled("wait_p50_s", a.told.wait_p50_s, b.told.wait_p50_s, draws.quantile(waits, 0.5), a, b)
    yield _sampled("wait_p95_s", a.told.wait_p95_s, b.told.wait_p95_s, draws.quantile(waits, 0.95), a, b)
    hole = _holes(a, b)
    yield _counted("lost_task_seconds", a.told.lost_task_seconds, b.told.lost_task_seconds, hole)
    yield _counted("pod_hours", a.told.pod_hours, b.told.pod_hours, hole)


def _sampled(name: str, left: float | None, right: float | None, interval: Interval | None, a: Side, b: Side) -> Change:
    if left is None or right is None:
        return Change(name, left, right, None, "cannot_tell", "no task waited on one side")
    if interval is None:
        few = f"{a.runs} and {b.runs} DAG runs: at least {LEAST} on each side are needed for an interval"
        return Change(name, left, right, None, "cannot_tell", few)
    return Change(name, left, right, interval, _direction(interval), _interval_text(interval))


def _direction(interval: Interval) -> str:
    return "worse" if interval[0] > 0 else "better" if interval[1] < 0 else "no_difference_shown"


def _interval_text(interval: Interval) -> str:
    return f"{LEVEL:.0%} of {RESAMPLES} resamples of DAG runs lie between {interval[0]:+.1f} s and {interval[1]:+.1f} s"


def _counted(name: str, left: float | None, right: float | None, hole: str) -> Change:
    if left is None or right is None:
        return Change(name, left, right, None, "cannot_tell", "not recorded on one side")
    return Change(name, left, right, None, "counted", "counted on record, not sampled" + hole)


def _holes(a: Side, b: Side) -> str:
    parts = []
    for name, one in (("A", a), ("B", b)):
        missed = _missed(one)
        if missed:
            parts.append(f"{missed / 1e6:.0f} s of {name} were not recorded by some source")
    return "; " + ", ".join(parts) if parts else ""


def _missed(one: Side) -> Micros:
    """The longest total of gaps of one source within the side."""
    total: dict[str, Micros] = {}
    for gap in one.analysis.gaps:
        length = min(gap.to_ts, one.end) - max(gap.from_ts, one.start)
        total[gap.source] = total.get(gap.source, 0) + max(0, length)
    return max(total.values(), default=0)


def _causes(a: Side, b: Side, draws: _Draws) -> Iterator[CauseChange]:
    seconds = (_per_attempt(a), _per_attempt(b))
    known = dict.fromkeys([*_costs(a), *_costs(b), *seconds[0], *seconds[1]])
    changes = [_cause(cause, a, b, seconds, draws) for cause in known if cause != "unknown"]
    order = ["new", "worse", "gone", "better", "cannot_tell", "same"]
    blamed = (Role.ROOT_CAUSE.value, Role.CONTRIBUTING.value)
    yield from sorted(
        changes,
        key=lambda c: (
            not any(r in blamed for r in c.roles), order.index(c.change), -max(*c.waiting, *c.lost), c.cause,
        ),
    )  # fmt: skip


def _costs(one: Side) -> dict[str, tuple[str, float, float, float]]:
    """Role (the gravest), waiting, lost and confidence per cause."""
    out: dict[str, tuple[str, float, float, float]] = {}
    roles = [role.value for role in Role]
    for finding in one.analysis.findings:
        role, waiting, lost, sure = out.get(finding.cause, (Role.OBSERVATION.value, 0.0, 0.0, 0.0))
        out[finding.cause] = (
            min(role, finding.role.value, key=roles.index), waiting + finding.cost.waiting_task_seconds,
            lost + finding.cost.lost_task_seconds, max(sure, finding.confidence),
        )  # fmt: skip
    return out


def _per_attempt(one: Side) -> Mapping[str, list[float]]:
    """Seconds per cause, one number per attempt."""
    out: dict[str, list[float]] = {}
    for place, attempt in enumerate(one.attempts):
        for wait in attempt.stages:
            out.setdefault(wait.cause, [0.0] * len(one.attempts))[place] += wait.seconds
    return out


def _cause(
    cause: str, a: Side, b: Side, seconds: tuple[Mapping[str, list[float]], Mapping[str, list[float]]], draws: _Draws
) -> CauseChange:
    nobody = (None, 0.0, 0.0, 1.0)
    left, right = _costs(a).get(cause, nobody), _costs(b).get(cause, nobody)
    parts = (
        seconds[0].get(cause) or [0.0] * len(a.attempts),
        seconds[1].get(cause) or [0.0] * len(b.attempts),
    )
    interval = draws.mean(parts)
    change, because = _reading(cause, a, b, (left[0], right[0]), interval)
    return CauseChange(
        cause=cause,
        change=change,
        roles=(left[0], right[0]),
        waiting=(left[1], right[1]),
        lost=(left[2], right[2]),
        per_attempt=(_mean(parts[0]), _mean(parts[1])),
        interval=interval,
        confidence=round(min(left[3], right[3]), 3),
        because=because,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _reading(
    cause: str, a: Side, b: Side, roles: tuple[str | None, str | None], interval: Interval | None
) -> tuple[str, str]:
    """How a cause changed. What one side could not assess is neither new nor gone."""
    for name, one, role in (("A", a, roles[0]), ("B", b, roles[1])):
        missing = next((item.needs for item in one.analysis.not_assessed if item.cause == cause), None)
        if missing is not None and role is None:
            return "cannot_tell", f"{name} could not assess it: needs {', '.join(missing)}"
    if roles[0] is None and roles[1] is not None:
        return "new", "A was searched for it and had none"
    if roles[1] is None and roles[0] is not None:
        return "gone", "B was searched for it and has none"
    if interval is None:
        return "cannot_tell", "on both sides; too few DAG runs for an interval"
    direction = _direction(interval)
    return ("same" if direction == "no_difference_shown" else direction), _interval_text(interval)
