#!/usr/bin/env python3
"""The day after: what of a recorded incident is left when nobody recorded, and what is said of it then.

    python benchmarks/day_after.py FOLDER [--only SUBSTRING] [--keep OUT]

Each recording of FOLDER is reduced to what people still have: the tables of the Airflow DB in their end state (as CSV
that PostgreSQL's COPY writes) with the logs, with the output of `kubectl get events -A`, with series of
kube-state-metrics and KEDA from Prometheus, or with `kubectl get -o json` of everything. A cause may be missed then;
nothing else may be named, and nobody innocent be blamed or called healthy. Exit 1 when any is.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.recorded import DB, Line, Recording
from benchmarks.scoreboard import Score, scored

_KEYS = {
    "task_instance": ("dag_id", "run_id", "task_id", "map_index"), "dag_run": ("dag_id", "run_id"), "dag": ("dag_id",),
    "slot_pool": ("pool",), "alembic_version": ("version_num",),
}  # fmt: skip
# Columns by which an import knows a table, in case that no row was recorded.
_EMPTY = {
    "log": ["id", "dttm", "event"],
    "celery_taskmeta": ["id", "task_id", "status", "date_done"],
    "dag_run": ["dag_id", "run_id", "state", "queued_at"],
}
_SCRAPE_S = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path, help="where the reduced incidents go; default: nowhere")
    options = parser.parse_args()
    names = [p.parent for p in sorted(options.folder.glob("*/label.json")) if options.only in p.parent.name]
    if not names:
        print(f"no */label.json in {options.folder}", file=sys.stderr)
        return 2
    short = named = total = 0
    with tempfile.TemporaryDirectory() as work:
        for folder in names:
            recording = Recording.load(folder)
            for kind in LEFT:
                out = (options.keep or Path(work)) / f"{folder.name}.{kind}"
                result = judged(recording, kind, out)
                total += 1
                short += bool(result.problems)
                named += any(cause in recording.label["root_causes"] for cause in result.found)
                print(
                    f"{'--' if result.problems else 'ok'} {out.name:44} {','.join(result.expected):28} {','.join(result.found) or '-'}"
                )
                for problem in result.problems:
                    print(f"      {problem}")
    print(f"{total} reduced incidents: {named} still name their cause, {short} say something wrong")
    return 1 if short else 0


def judged(recording: Recording, kind: str, out: Path) -> Score:
    """Reduces a recording into `out` and scores what is said of it; `expected` is what the whole recording shows."""
    reduce(recording, kind, out)
    lenient = recording.lenient().label
    if recording.label.get("healthy"):
        lenient = {**lenient, "acceptable": recording.label.get("acceptable", [])}
    result = scored(out, lenient)
    return Score(**{**_fields(result), "expected": tuple(recording.label["root_causes"])})


def _fields(score: Score) -> dict[str, Any]:
    return {name: getattr(score, name) for name in Score.__dataclass_fields__}


def reduce(recording: Recording, kind: str, out: Path) -> None:
    """Writes what is left of a recording: `kind` is one of LEFT."""
    out.mkdir(parents=True)
    LEFT[kind](recording, out)


def _db(recording: Recording, out: Path) -> None:
    for table, rows in end_state(recording).items():
        columns = sorted({column for row in rows for column in row}) or _EMPTY.get(table)
        if columns is None:
            continue
        with (out / f"{table}.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(columns)
            for row in rows:
                writer.writerow([_cell(row.get(column)) for column in columns])


def end_state(recording: Recording) -> dict[str, list[Line]]:
    """Each table as the last poll found it; attempts that went on are in the history, as Airflow keeps them."""
    tables: dict[str, dict[tuple[Any, ...], Line]] = {"log": {}, "celery_taskmeta": {}, "dag_run": {}}
    history: dict[tuple[Any, ...], Line] = {}
    for line in recording.streams.get(DB, []):
        table = line.get("table")
        if table is None or table == "counts":
            continue
        for row in line["rows"]:
            key = tuple(row.get(column) for column in _KEYS.get(table, ("id",)))
            before = tables.setdefault(table, {}).get(key)
            if table == "task_instance" and before and before["try_number"] != row["try_number"] and before["end_date"]:
                past = {**before, "state": "failed" if before["state"] == "up_for_retry" else before["state"]}
                if "id" in past:
                    past["task_instance_id"] = past.pop("id")
                else:
                    past["id"] = len(history) + 1
                history[(*key, before["try_number"])] = past
            tables[table][key] = row
    found = {table: list(rows.values()) for table, rows in tables.items()}
    return {**found, "task_instance_history": list(history.values())}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "t" if value else "f"
    return "" if value is None else value


def _logs(recording: Recording, out: Path) -> None:
    for name, texts in recording.logs.items():
        (out / name.removesuffix(".gz")).write_text("\n".join(texts) + "\n")


def _objects(recording: Recording, kind: str) -> dict[str, Line]:
    """The objects of a kind that the last list would show."""
    live: dict[str, Line] = {}
    for line in recording.streams.get(f"k8s/{kind}.jsonl.gz", []):
        body = line.get("object") or {}
        uid = (body.get("metadata") or {}).get("uid")
        if uid is None or line["type"] == "BOOKMARK":
            continue
        if line["type"] == "DELETED" and kind != "events":
            live.pop(uid, None)
        else:
            live[uid] = body
    return live


def events_table(recording: Recording) -> str:
    """What `kubectl get events -A` prints at the end of a recording."""
    rows = [("NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")]
    for event in _objects(recording, "events").values():
        about = event.get("involvedObject") or event.get("regarding") or {}
        at = (event.get("series") or {}).get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        at = at or event.get("deprecatedLastTimestamp") or event["metadata"]["creationTimestamp"]
        seen = _age(recording.end - datetime.fromisoformat(at).timestamp())
        message = str(event.get("message") or event.get("note") or "").split("\n")[0]
        name = f"{str(about.get('kind', '')).lower()}/{about.get('name')}"
        rows.append(
            (
                event["metadata"].get("namespace", ""),
                seen,
                event.get("type", ""),
                event.get("reason", ""),
                name,
                message,
            )
        )
    widths = [max(len(row[n]) for row in rows) + 3 for n in range(5)]
    return "".join("".join(c.ljust(w) for c, w in zip(row, widths, strict=False)) + row[5] + "\n" for row in rows)


def _age(seconds: float) -> str:
    """duration.HumanDuration of apimachinery."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours, left = divmod(minutes, 60)
    return f"{hours}h{left}m" if hours < 8 and left else f"{hours}h"


def _events(recording: Recording, out: Path) -> None:
    import os

    path = out / "events.txt"
    path.write_text(events_table(recording))
    os.utime(path, (recording.end, recording.end))


def series(recording: Recording) -> dict[str, Any]:
    """The answer of Prometheus to a range query for what kube-state-metrics and KEDA say, every 15 s."""
    found: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    at = recording.start
    states = {
        kind: _Follow(recording, kind)
        for kind in ("pods", "deployments", "horizontalpodautoscalers", "nodes", "resourcequotas")
    }
    while at <= recording.end:
        for kind, follow in states.items():
            for body in follow.upto(at):
                for name, labels, value in _SERIES[kind](body):
                    key = tuple(sorted({"__name__": name, **labels}.items()))
                    found.setdefault(key, []).append([round(at, 3), str(float(value))])
        at += _SCRAPE_S
    result = [{"metric": dict(key), "values": values} for key, values in found.items()]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


class _Follow:
    """The objects of a kind as time goes on."""

    def __init__(self, recording: Recording, kind: str) -> None:
        self._lines = iter(recording.streams.get(f"k8s/{kind}.jsonl.gz", []))
        self._next = next(self._lines, None)
        self._live: dict[str, Line] = {}

    def upto(self, at: float) -> list[Line]:
        while self._next is not None and self._next["t"] <= at:
            body = self._next.get("object") or {}
            uid = (body.get("metadata") or {}).get("uid")
            if uid and self._next["type"] == "DELETED":
                self._live.pop(uid, None)
            elif uid and self._next["type"] != "BOOKMARK":
                self._live[uid] = body
            self._next = next(self._lines, None)
        return list(self._live.values())


_Samples = Iterator[tuple[str, dict[str, str], float]]


def _of_hpa(body: Line) -> _Samples:
    labels = {"namespace": body["metadata"]["namespace"], "horizontalpodautoscaler": body["metadata"]["name"]}
    spec, status, prefix = body.get("spec", {}), body.get("status", {}), "kube_horizontalpodautoscaler"
    ref = spec.get("scaleTargetRef", {})
    yield (
        f"{prefix}_info",
        {**labels, "scaletargetref_kind": ref.get("kind"), "scaletargetref_name": ref.get("name")},
        1,
    )
    yield f"{prefix}_spec_max_replicas", labels, spec.get("maxReplicas", 0)
    yield f"{prefix}_spec_min_replicas", labels, spec.get("minReplicas", 1)
    yield f"{prefix}_status_current_replicas", labels, status.get("currentReplicas", 0)
    yield f"{prefix}_status_desired_replicas", labels, status.get("desiredReplicas", 0)
    for one in status.get("conditions") or []:
        for word in ("true", "false", "unknown"):
            yield (
                f"{prefix}_status_condition",
                {**labels, "condition": one["type"], "status": word},
                one["status"].lower() == word,
            )


def _of_deployment(body: Line) -> _Samples:
    labels = {"namespace": body["metadata"]["namespace"], "deployment": body["metadata"]["name"]}
    status = body.get("status", {})
    yield "kube_deployment_created", labels, datetime.fromisoformat(body["metadata"]["creationTimestamp"]).timestamp()
    yield "kube_deployment_spec_replicas", labels, body.get("spec", {}).get("replicas", 0)
    yield "kube_deployment_status_replicas", labels, status.get("replicas", 0)
    yield "kube_deployment_status_replicas_ready", labels, status.get("readyReplicas", 0)


def _of_pod(body: Line) -> _Samples:
    meta, status = body["metadata"], body.get("status", {})
    labels = {"namespace": meta["namespace"], "pod": meta["name"], "uid": meta["uid"]}
    owner = (meta.get("ownerReferences") or [{}])[0]
    node = body.get("spec", {}).get("nodeName") or ""
    yield (
        "kube_pod_info",
        {**labels, "node": node, "created_by_kind": owner.get("kind", ""), "created_by_name": owner.get("name", "")},
        1,
    )
    yield "kube_pod_created", labels, datetime.fromisoformat(meta["creationTimestamp"]).timestamp()
    for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
        yield "kube_pod_status_phase", {**labels, "phase": phase}, status.get("phase") == phase
    for one in status.get("conditions") or []:
        if one["type"] in ("Ready", "PodScheduled"):
            name = "ready" if one["type"] == "Ready" else "scheduled"
            yield f"kube_pod_status_{name}", {**labels, "condition": one["status"].lower()}, 1
    for container in status.get("containerStatuses") or []:
        where = {**labels, "container": container["name"]}
        yield "kube_pod_container_status_restarts_total", where, container.get("restartCount", 0)
        state = container.get("state") or {}
        if reason := (state.get("waiting") or {}).get("reason"):
            yield "kube_pod_container_status_waiting_reason", {**where, "reason": reason}, 1
        if started := (state.get("running") or {}).get("startedAt"):
            yield "kube_pod_container_state_started", where, datetime.fromisoformat(started).timestamp()


def _of_node(body: Line) -> _Samples:
    for one in body.get("status", {}).get("conditions") or []:
        labels = {"node": body["metadata"]["name"], "condition": one["type"], "status": one["status"].lower()}
        yield "kube_node_status_condition", labels, 1


def _of_quota(body: Line) -> _Samples:
    labels = {"namespace": body["metadata"]["namespace"], "resourcequota": body["metadata"]["name"]}
    for kind in ("hard", "used"):
        for resource, amount in ((body.get("status") or {}).get(kind) or {}).items():
            if str(amount).isdigit():
                yield "kube_resourcequota", {**labels, "resource": resource, "type": kind}, float(amount)


_SERIES: dict[str, Callable[[Line], _Samples]] = {
    "pods": _of_pod, "deployments": _of_deployment, "horizontalpodautoscalers": _of_hpa, "nodes": _of_node,
    "resourcequotas": _of_quota,
}  # fmt: skip


def _prometheus(recording: Recording, out: Path) -> None:
    (out / "range.json").write_text(json.dumps(series(recording)))


def _lists(recording: Recording, out: Path) -> None:
    for stream in recording.streams:
        if stream.startswith("k8s/"):
            kind = stream.removeprefix("k8s/").removesuffix(".jsonl.gz")
            items = list(_objects(recording, kind).values())
            (out / f"{kind}.json").write_text(
                json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1)
            )


def _all(*parts: Callable[[Recording, Path], None]) -> Callable[[Recording, Path], None]:
    def write(recording: Recording, out: Path) -> None:
        for part in parts:
            part(recording, out)

    return write


LEFT: dict[str, Callable[[Recording, Path], None]] = {
    "db_logs": _all(_db, _logs),
    "db_events": _all(_db, _events),
    "db_prometheus": _all(_db, _prometheus),
    "db_lists_logs": _all(_db, _lists, _logs),
    "db_lists_prometheus": _all(_db, _lists, _prometheus),
    "all": _all(_db, _lists, _logs, _events, _prometheus),
}
"""What is left, by name: functions that write it into a folder."""


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(main())
