"""What the screens look at, beside the analysis: typed answers over facts and capture, each one query.

A capture whose analysis is not done yet has rows but no facts; then the answers made of facts are empty.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afscope.control.hpa import behavior_from
from afscope.engine.browse import Browser, cell, naive, view
from afscope.engine.session import Session
from afscope.errors import CaptureExists, QueryError, UsageError
from afscope.model.browse import Answer, Held, Limit, PodLife, Scaling, SourceLine, WaitedAttempt, WaitGroup
from afscope.model.clock import Micros, from_datetime
from afscope.model.finding import STAGES
from afscope.model.stop import Stop
from afscope.model.timeline import Chart, Lane, Span, StageWait, Step
from afscope.store.proven import METRIC
from afscope.store.reader import Capture
from afscope.store.schema import TABLES

Stretch = tuple[Micros, Micros]
"""From when to when."""
MOST_ROWS = 2000
"""Rows of one answer; nobody reads more of them one by one."""
MOST_ANSWER = 100_000
"""Rows of a query of the user that are shown; an export has all."""
_TOLERANCE = 0.1  # kube-controller-manager's default, unless the HPA's behavior says otherwise
_COSTS = 9
"""Lanes of the recorder's own cost."""


class Look(Browser):
    """Answers over one session and its capture. Every method may be called from any thread."""

    def __init__(self, session: Session, capture: Capture, *, analyzed: bool = True) -> None:
        super().__init__(session)
        self.capture = capture
        self._analyzed = analyzed

    def known_end(self) -> Micros:
        """The end of the capture."""
        return self.capture.ended_at

    def wait_groups(
        self, by: str, target: str, start: Micros, end: Micros, stop: Stop | None = None
    ) -> list[WaitGroup]:
        """Waits by dag, queue, pool, run, task or cause, most waiting first."""
        rows = self.facts("wait_groups", {"by": by, **_range(target, start, end)}, stop)
        return [
            WaitGroup(r["name"] or "", r["attempts"], r["seconds"], r["p50_s"], r["p95_s"], r["longest_s"],
                      tuple(StageWait(s["stage"], s["seconds"], s["cause"]) for s in r["stages"]))
            for r in rows
        ]  # fmt: skip

    def wait_attempts(
        self, by: str, name: str, target: str, start: Micros, end: Micros, stop: Stop | None = None
    ) -> list[WaitedAttempt]:
        """The attempts of a group, longest wait first."""
        rows = self.facts("wait_attempts", {"by": by, "name": name, **_range(target, start, end)}, stop)
        return [
            WaitedAttempt(
                r["key"], r["try_number"], r["queue"] or "", r["pool"] or "", r["target"], r["host"] or "",
                r["state"] or "",
                from_datetime(r["runnable_at"]), from_datetime(r["wait_ended_at"]), _maybe(r["ended_at"]),
                tuple(sorted((StageWait(s["stage"], s["seconds"], s["cause"]) for s in r["stages"]), key=_place)),
            )
            for r in rows
        ]  # fmt: skip

    def pods(self, target: str, stop: Stop | None = None) -> list[PodLife]:
        """Lives of the worker pods of a target ("": of all)."""
        return [_pod(row) for row in self.facts("pod_lives", {"target": target, "limit": MOST_ROWS}, stop)]

    def scaling(self, target: str, stop: Stop | None = None) -> list[Scaling]:
        """Who set spec.replicas and what the HPA saw, in the order of time."""
        return [_scaling(r) for r in self.facts("scaling", {"target": target, "limit": 50 * MOST_ROWS}, stop)]

    def limits(self, at: Micros, stop: Stop | None = None) -> list[Limit]:
        """Every cap as it stood at an instant."""
        rows = self.facts("limits", {"at": naive(at), "limit": MOST_ROWS}, stop)
        return [Limit(r["kind"], r["name"], r["used"], r["cap"], r["waiting"], r["note"] or "") for r in rows]

    def sources(self) -> list[SourceLine]:
        """Every table of the capture."""
        self._session.open_all()  # and so finds what is damaged
        proven = self.proven()
        sizes: dict[str, int] = {}
        for segment in self.capture.manifest.segments:
            sizes[segment.table] = sizes.get(segment.table, 0) + segment.bytes
        out = []
        for name in TABLES:
            source = self.capture.source(name)
            out.append(
                SourceLine(
                    name,
                    source.status.value,
                    self.capture.rows(name),
                    sizes.get(name, 0),
                    source.reason,
                    proven.get(name),
                )
            )
        return out

    def proven(self) -> Mapping[str, Micros]:
        """Up to when tables are known to be whole, in a capture that nobody closed."""
        return self.capture.proven

    def damage(self) -> tuple[str, ...]:
        """What was damaged and left out: segments that are gone or changed, torn ends of WALs."""
        return tuple(dict.fromkeys(self.capture.warnings))

    def left_out(self) -> tuple[str, ...]:
        """What the import that made this capture could not read."""
        return tuple(self.capture.manifest.unread)

    def costs(self, start: Micros, end: Micros, stop: Stop | None = None) -> Chart:
        """The recorder's own cost as lanes: the samples that it took of itself."""
        sql = "SELECT metric, ts, value FROM samples WHERE NOT starts_with(metric, $proofs) ORDER BY ts"
        rows = self._session.run(sql, {"proofs": METRIC}, stop).rows
        lanes: dict[str, list[Step]] = {}
        for metric, ts, value in rows:
            lanes.setdefault(metric, []).append(Step(from_datetime(ts), value))
        shown = tuple(Lane(name, tuple(lanes[name])) for name in sorted(lanes)[:_COSTS])
        gaps = self._session.run("SELECT source, from_ts, to_ts, reason FROM gaps ORDER BY from_ts").rows
        holes = tuple(Span(from_datetime(a), from_datetime(b), s, r or "") for s, a, b, r in gaps if a and b)
        return Chart("", start, end, shown, (), (), holes, ())

    def query(self, sql: str, span: Stretch | None = None, stop: Stop | None = None) -> Answer:
        """A query of the user, in which $from and $to are the ends of `span` (else of the capture).

        Raises QueryError.
        """
        text = _one(sql)
        found = self._session.run(text, self.given(text, span), stop, MOST_ANSWER + 1)
        rows = tuple(tuple(map(cell, row)) for row in found.rows[:MOST_ANSWER])
        return Answer(found.columns, rows, len(found.rows) > MOST_ANSWER)

    def given(self, sql: str, span: Stretch | None) -> dict[str, Any]:
        """Values of the parameters of a query. Raises QueryError for those that have none."""
        self._session.open_all()  # a query of the user may name tables in ways that nobody foresees
        start, end = span or (self.capture.started_at, self.capture.ended_at)
        known = {"from": naive(start), "to": naive(end)}
        wanted = self._session.parameters(sql)
        if unknown := sorted(wanted - known.keys()):
            raise QueryError(f"${unknown[0]} has no value: $from and $to have, the ends of the range")
        return {name: known[name] for name in wanted}

    def export(self, sql: str, out: Path, span: Stretch | None = None, stop: Stop | None = None) -> int:
        """Writes the whole result of a SELECT to a new .csv or .parquet file and returns its rows.

        Raises UsageError for other names, CaptureExists for a taken one, QueryError for what does not run.
        """
        if out.suffix not in (".csv", ".parquet"):
            raise UsageError(f"{out.name}: results go to .csv or .parquet", "end the name in one of them")
        if out.exists():
            raise CaptureExists(f"{out} exists", "nothing is overwritten; choose another name")
        text = _one(sql)
        table = self._session.arrow(text, self.given(text, span), stop)
        if out.suffix == ".csv":
            from pyarrow import csv

            csv.write_csv(table, out)
        else:
            from pyarrow import parquet

            parquet.write_table(table, out, compression="zstd")
        return int(table.num_rows)

    def cut(self, out: Path, start: Micros, end: Micros) -> int:
        """Saves a stretch of time as a capture of its own, with what was recorded by now; returns its rows.

        Raises CaptureError.
        """
        from afscope.store import cut as scissors

        return scissors.cut(Capture.open(self.capture.path), out, scissors.Stretch(start, end + 1))

    def facts(self, name: str, params: Mapping[str, Any], stop: Stop | None) -> list[dict[str, Any]]:
        """The rows of a view over facts; none without an analysis."""
        if not self._analyzed:
            return []
        found = self._session.run(view(name), params, stop)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def _range(target: str, start: Micros, end: Micros) -> dict[str, Any]:
    return {"target": target, "start": naive(start), "end": naive(end), "limit": MOST_ROWS}


def _maybe(value: Any) -> Micros | None:
    return None if value is None or value.year > 9000 else from_datetime(value)


def _pod(row: dict[str, Any]) -> PodLife:
    return PodLife(
        target=row["target"],
        name=row["name"],
        node=row["node"] or "",
        slots=row["slots"] or 0,
        restarts=row["restarts"] or 0,
        created_at=from_datetime(row["created_at"]),
        scheduled_at=_maybe(row["scheduled_at"]),
        started_at=_maybe(row["started_at"]),
        consuming_at=_maybe(row["consuming_at"]),
        stopping_at=_maybe(row["stopping_at"]),
        gone_at=_maybe(row["gone_at"]),
        held=tuple(Held(from_datetime(h["start"]), _maybe(h["end"]), h["key"], h["lost"]) for h in row["held"] or ()),
        crashed_at=tuple(map(from_datetime, row["crashed"] or ())),
    )


def _place(wait: StageWait) -> tuple[int, str]:
    return STAGES.index(wait.stage), wait.cause


def _scaling(row: dict[str, Any]) -> Scaling:
    """The band: an AverageValue metric moves the HPA only outside of status.replicas, give or take the tolerance."""
    metric, size = row["workers"], row["status_replicas"]
    up, down = _tolerances(row["behavior"])
    known = metric is not None and bool(size)
    return Scaling(
        kind=row["kind"], at=from_datetime(row["moment"]), before=row["before"], after=row["after"],
        author=row["author"], reason=row["reason"] or "", confidence=row["confidence"],
        metric=metric, ratio=round(metric / size, 3) if known else None,
        low=size * (1 - down) if size else None, high=size * (1 + up) if size else None,
        desired=math.ceil(metric - 1e-9) if metric is not None else None,
        limited=row["limited_reason"] or "" if row["answered"] else row["active_reason"] or "",
        answered=None if row["active_reason"] in (None, "ScalingDisabled") else row["answered"], key=row["key"] or "",
    )  # fmt: skip


def _tolerances(behavior: str | None) -> tuple[float, float]:
    """Up and down, as shares."""
    rules = behavior_from(json.loads(behavior)) if behavior else None
    if rules is None:
        return _TOLERANCE, _TOLERANCE
    up, down = rules.up.tolerance, rules.down.tolerance
    return _TOLERANCE if up is None else up, _TOLERANCE if down is None else down


def _one(sql: str) -> str:
    """A statement without its semicolon."""
    text = sql.strip().rstrip(";").strip()
    if not text:
        raise QueryError("there is no query")
    return text
