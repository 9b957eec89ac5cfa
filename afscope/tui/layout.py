"""Which terminal row of the lanes widget shows what, for a given height. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from afscope.model.timeline import Chart

METRIC, REPLICAS = ("metric",), ("desired", "current", "ready")
TASKS, WORKERS, SLOTS = ("waiting", "queued", "running"), METRIC + REPLICAS, ("slots", "slots_used")
GROUPS = (TASKS, WORKERS, SLOTS)
"""Lanes that share a scale, so that their heights can be compared."""

SOURCES = {
    **dict.fromkeys((*TASKS, "slots_used"), frozenset({"task_instances", "dag_runs"})),
    "metric": frozenset({"hpas"}),
    "desired": frozenset({"workloads"}),
    "current": frozenset({"workloads"}),
    "ready": frozenset({"workloads"}),
    "slots": frozenset({"pods"}),
    "ticks": frozenset({"events"}),
    "health": frozenset({"hpas"}),
}
"""The tables a row is made of: a gap in one of them hatches it. What tasks waited for is concluded, not recorded: rows
written after a gap tell of the time within it."""

# Given up one after the other where rows are short; what is left tells the story still.
_DROPPED_FIRST = ("finding", "legend", "current", "waiting", "slots", "ticks")
MAX_LANE_HEIGHT = 4
# Of eight steps in a row, two are left to the highest replica count.
_COMPARABLE = 4


class Line(NamedTuple):
    """One terminal row: a lane's (`level` 0 is its lowest row of `height`), or one of axis, finding, ticks, health,
    constraint, legend, blank."""

    kind: str
    lane: str = ""
    level: int = 0
    height: int = 1


def lines(chart: Chart, height: int) -> list[Line]:
    """The rows from top to bottom: at most `height` of them, as high lanes as fit, groups apart when there is room."""
    lanes = [lane.name for lane in chart.lanes]
    rows = ["axis", "finding", *lanes, "ticks", "health", "constraint", "legend"]
    for name in _DROPPED_FIRST:
        if len(rows) > height and name in rows:
            rows.remove(name)
    shown = [name for name in lanes if name in rows]
    spare = max(0, height - len(rows))
    each = min(MAX_LANE_HEIGHT, 1 + spare // max(1, len(shown)))
    spare -= (each - 1) * len(shown)
    return list(_lines(rows, shown, each, spare))[:height]


def compact(chart: Chart) -> list[Line]:
    """The rows of the small strip: axis, finding, queued, desired, what the HPA was told, what tasks wait for."""
    lanes = [Line("lane", lane.name) for lane in chart.lanes if lane.name in ("queued", "ready")]
    return [Line("axis"), *lanes, Line("constraint")]


def _lines(rows: list[str], lanes: list[str], each: int, spare: int) -> Iterator[Line]:
    firsts = {next((lane for lane in group if lane in lanes), "") for group in GROUPS} | {"ticks"}
    for name in rows:
        if spare > 0 and name in firsts:
            spare -= 1
            yield Line("blank")
        if name in lanes:
            yield from (Line("lane", name, level, each) for level in range(each - 1, -1, -1))
        else:
            yield Line(name)


def scale(chart: Chart, lane: str) -> float:
    """The value that fills a lane: the highest of its group over the whole capture, so that zooming keeps it.

    A metric far above what the workload may have would press all replicas flat: then the two have scales of their own.
    """
    group = next((group for group in GROUPS if lane in group), (lane,))
    if group == WORKERS and _peak(chart, METRIC) > _COMPARABLE * _peak(chart, REPLICAS):
        group = METRIC if lane in METRIC else REPLICAS
    return _peak(chart, group) or 1.0


def _peak(chart: Chart, group: tuple[str, ...]) -> float:
    return max((step.value or 0.0 for lane in chart.lanes if lane.name in group for step in lane.steps), default=0.0)
