"""What the recording shows of an HPA's syncs: each change of its status, with the spec that held."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from afscope.control.hpa import SYNC_PERIOD_S, HpaSpec, Metric, TargetKind, hpa_spec_from
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.model.quantity import NO_PODS, is_no_pods, milli

if TYPE_CHECKING:
    from afscope.engine.session import Session

_STATUS = (
    "current_replicas", "desired_replicas", "last_scale_time", "able_reason", "active_reason", "limited_reason",
    "current_metrics", "current_milli", "able_message", "active_message",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """One recorded status of an HPA; `averages` are what it reports per metric in milli: None where it failed, NO_PODS
    where there was nothing to divide by.

    `spec` is None, with the reason in `unmodelled`, for an HPA that follows metrics other than external ones.
    """

    at: Micros
    uid: str
    spec: HpaSpec | None
    unmodelled: str
    current: int
    desired: int
    averages: tuple[int | None, ...]
    able: str
    active: str
    limited: str
    scaled_at: Micros | None
    found: bool
    """The first row: the status was there before the recording began."""


def looks(session: "Session", target: str) -> list[Look]:
    """The statuses of a target's HPAs as they changed; rows that change no status are no syncs."""
    rows = session.dicts(
        """SELECT h.* FROM hpas h JOIN targets t
            ON t.namespace = h.namespace AND (t.hpa_uid = h.uid OR t.hpa_name = h.name)
        WHERE t.target = $target AND h.change <> 'DELETED' ORDER BY h.seen_at""",
        {"target": target},
    )
    found: list[Look] = []
    last: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        status = tuple(row[name] for name in _STATUS)
        if row["able_reason"] is None or last.get(row["uid"]) == status:
            continue
        found.append(_look(row, first=row["uid"] not in last and row["change"] == "STATE"))
        last[row["uid"]] = status
    return found


def _look(row: Mapping[str, Any], *, first: bool) -> Look:
    try:
        spec, why = spec_of(row), ""
    except (ValueError, KeyError, TypeError) as error:
        spec, why = None, str(error)
    return Look(
        at=micros(row["seen_at"]),
        uid=row["uid"],
        spec=spec,
        unmodelled=why,
        current=row["current_replicas"] or 0,
        desired=row["desired_replicas"] or 0,
        averages=_averages(row["current_metrics"]) or _column(row),
        able=row["able_reason"] or "",
        active=row["active_reason"] or "",
        limited=row["limited_reason"] or "",
        scaled_at=micros(row["last_scale_time"]) if row["last_scale_time"] else None,
        found=first,
    )


def spec_of(row: Mapping[str, Any]) -> HpaSpec:
    """An `hpas` row's spec. Raises ValueError for metrics that are not external."""
    spec = hpa_spec_from(
        {
            "maxReplicas": row["max_replicas"],
            "minReplicas": row["min_replicas"],
            "metrics": json.loads(row["metrics"] or "[]"),
            "behavior": json.loads(row["behavior"]) if row["behavior"] else None,
        }
    )
    if spec.metrics or not row["target_milli"]:
        return spec
    # A dump that kept the columns alone has one metric, the first.
    kind = TargetKind.VALUE if row["metric_type"] == "Value" else TargetKind.AVERAGE_VALUE
    return replace(spec, metrics=(Metric(row["metric_name"] or "s0", row["target_milli"], kind),))


def _averages(raw: str | None) -> tuple[int | None, ...]:
    """Per metric of the status: averageValue or value in milli, None where the metric failed, NO_PODS without pods."""
    out: list[int | None] = []
    for metric in json.loads(raw or "null") or ():
        current = (metric.get("external") or {}).get("current") or {}
        text = current.get("averageValue") or current.get("value")
        value = None if text is None else milli(str(text))
        out.append(NO_PODS if value is not None and is_no_pods(value) else value)
    return tuple(out)


def _column(row: Mapping[str, Any]) -> tuple[int | None, ...]:
    return () if row["current_milli"] is None else (row["current_milli"],)


@dataclass(frozen=True, slots=True)
class Beat:
    """The HPA controller's rhythm: when it synced as far as that is known, and its period in between and after."""

    ticks: tuple[Micros, ...]
    period: Micros

    def first(self, start: Micros) -> Micros | None:
        """The first sync at or after `start`, None where none was ever seen."""
        if not self.ticks:
            return None
        if self.ticks[0] >= start:
            return start + (self.ticks[0] - start) % self.period
        return self.after(start - 1)

    def after(self, now: Micros) -> Micros:
        """The sync that follows `now`: a recorded one if it is near, else one period later."""
        place = bisect_right(self.ticks, now)
        if place < len(self.ticks) and self.ticks[place] - now <= self.period * 3 // 2:
            return self.ticks[place]
        return now + self.period


def beat(found: Sequence[Look]) -> Beat:
    """The rhythm behind the recorded syncs: 15 s and the controller's own work (keda-hpa §1.2), fitted.

    Between two recorded syncs the others are spread evenly: they changed no status and left no trace.
    """
    base = SYNC_PERIOD_S * SECOND
    near = [(a.at, b.at, round((b.at - a.at) / base)) for a, b in pairwise(found) if a.uid == b.uid]
    gaps = [(after - before) / count for before, after, count in near if 1 <= count <= 20]
    period = round(median(gaps)) if gaps else base
    # Work can only add to the period; what is shorter is the jitter of two watches.
    period = max(base, min(period, base + 5 * SECOND))
    ticks = [look.at for look in found[:1]]
    for before, after in pairwise(found):
        count = max(1, round((after.at - before.at) / period))
        ticks += [before.at + (after.at - before.at) * step // count for step in range(1, count + 1)]
    return Beat(tuple(ticks), period)
