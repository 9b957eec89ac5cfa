"""The history that the end state of an Airflow database proves, as rows of the capture in the order of time.

A dump shows each task instance once, as it was when the dump was taken; its timestamps tell how it came there (domain:
airflow 1.2, 2.2). Only what a column proves becomes a row:

- state none at the run's `queued_at`: the rows of tasks are inserted with their run;
- scheduled at `scheduled_dttm` (Airflow 3; before it no column tells, so the time between none and queued stays whole);
- queued at `queued_dttm`, the last queueing of the attempt; running at `start_date`; over at `end_date`;
- attempts before the last one from task_instance_history (2.10 and later).

A column counts only in the states that write it: in rows that wait, the others are those of the attempt before.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from afscope.ingest.airflow.staging import HISTORY, LIFE, Staging
from afscope.model.clock import SECOND, Micros
from afscope.model.row import ADDED, MODIFIED, STATE, Row
from afscope.normalize.airflow.tables import READERS
from afscope.normalize.airflow.values import time_of, words
from afscope.normalize.airflow.versions import Version, by_columns, first_release, release_range
from afscope.normalize.redact import Redactor

# What the clocks of scheduler (queued_dttm) and workers (start_date) may differ by without turning the order around.
_SKEW: Micros = 5 * SECOND
_OVER = ("success", "failed", "skipped", "upstream_failed", "removed", "up_for_retry")
_STARTED = ("running", "restarting", "deferred", "up_for_reschedule", "awaiting_input", *_OVER)
_TIMES = ("scheduled_dttm", "queued_dttm", "start_date", "end_date", "updated_at", "last_heartbeat_at")
_OF_RUNNING = ("hostname", "pid", "job_id")
_ASSUMED: Version = (2, 10)


class Window(NamedTuple):
    """What is wanted of a dump: both ends may be open."""

    since: Micros | None = None
    until: Micros | None = None


class _Step(NamedTuple):
    """A change that a column proves."""

    at: Micros
    state: str | None


class Rebuilt:
    """What a sealed staging area proves. `taken_at`, about the dump's time, is the database's latest sign of life."""

    def __init__(self, staging: Staging, redactor: Redactor, window: Window) -> None:
        self._staging, self._redactor = staging, redactor
        head = next((words(r["version_num"]) for r in staging.rows("SELECT version_num FROM alembic_version")), None)
        self.head = head or ""
        self.release = release_range(self.head)
        columns = staging.columns.get("task_instance", set())
        self.version: Version = first_release(self.head) or by_columns(columns) or _ASSUMED
        self.taken_at = max((_newest(staging, table, LIFE[table]) for table in LIFE), default=0)
        self._window = window
        self._end = min(self.taken_at, window.until) if window.until is not None else self.taken_at
        self._encoder, self._decoder = msgspec.json.Encoder(), msgspec.json.Decoder()
        self._begin: Micros | None = window.since

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of time."""
        db = self._staging.db
        db.execute("CREATE TABLE steps (seen_at INTEGER, number INTEGER PRIMARY KEY, name TEXT, row TEXT)")
        db.execute("BEGIN")
        for history in self._histories():
            for row in _clipped(history, self._window.since, self._end):
                packed = self._encoder.encode(row.values).decode()
                db.execute(
                    "INSERT INTO steps (seen_at, name, row) VALUES (?, ?, ?)",
                    (row.values["seen_at"], row.table, packed),
                )
        db.execute("COMMIT")
        for step in self._staging.rows("SELECT name, row FROM steps ORDER BY seen_at, number"):
            yield Row(step["name"], self._decoder.decode(step["row"]))

    @property
    def ends(self) -> Micros:
        """When the capture of this dump ends."""
        return self._end

    def _histories(self) -> Iterator[list[Row]]:
        """The changes of each thing, oldest first. Tasks and runs first: they say where the others begin."""
        if self.head:
            at = self._window.since or self._earliest()
            setting = {"scope": "database", "component": "metadata-db", "key": "alembic_version", "value": self.head}
            yield [_row("airflow_config", setting, at, STATE)]
        yield from self._tasks()
        yield from self._runs()
        yield from self._settings("dag", "dag_id", ("last_parsed_time", "next_dagrun_create_after"))
        yield from self._settings("slot_pool", "pool", ())
        yield from self._jobs()
        yield from self._points("log", "dttm")
        yield from self._points("celery_taskmeta", "date_done")

    def _earliest(self) -> Micros:
        """When the first thing in this dump happened."""
        if self._begin is None:
            firsts = [
                _oldest(self._staging, t, c) for t, c in (("dag_run", "queued_at"), ("task_instance", "start_date"))
            ]
            self._begin = min((at for at in firsts if at), default=self._end)
        return self._begin

    # Task instances

    def _tasks(self) -> Iterator[list[Row]]:
        runs = "SELECT queued_at FROM dag_run WHERE dag_id = ? AND run_id = ?"
        past = f"SELECT * FROM {HISTORY} WHERE dag_id = ? AND run_id = ? AND task_id = ? AND ifnull(map_index, -1) = ?"
        for row in self._staging.rows("SELECT * FROM task_instance"):
            key = row["dag_id"], row["run_id"], row["task_id"]
            before = sorted(
                self._staging.rows(past, *key, -1 if row["map_index"] is None else row["map_index"]),
                key=lambda r: int(r["try_number"] or 0),
            )
            run = next(self._staging.rows(runs, *key[:2]), None)
            yield list(self._attempts([*before, row], time_of(run["queued_at"]) if run else None))

    def _attempts(self, rows: list[dict[str, Any]], run_queued: Micros | None) -> Iterator[Row]:
        """The changes of one task instance over all its attempts, the last row being what it is now."""
        over: Micros = 0
        seen: Micros = 0
        for number, raw in enumerate(rows):
            if "task_instance_id" in raw:
                raw = {**raw, "id": raw["task_instance_id"]}
            _, values, _ = READERS["task_instance"](raw, self.version, self._redactor)
            last = number == len(rows) - 1
            steps = _steps(values, over, run_queued)
            if last and (not steps or steps[-1].state != values["state"]):
                # since when it is in this state no column says: certain is only that it is now
                steps.append(_Step(max(self._end, steps[-1].at if steps else 0), values["state"]))
            for place, step in enumerate(steps):
                seen = max(seen, step.at)
                final = place == len(steps) - 1 and step.state == values["state"]
                shown = values if final else _as_of(values, step)
                change = ADDED if number == 0 and place == 0 and step.state is None else MODIFIED
                yield _row("task_instances", shown, step.at, change, seen)
            over = max(over, values["end_date"] or 0) if values["state"] in _OVER else over

    # The other tables

    def _runs(self) -> Iterator[list[Row]]:
        for raw in self._staging.rows("SELECT * FROM dag_run"):
            _, values, _ = READERS["dag_run"](raw, self.version, self._redactor)
            steps = [_Step(values["queued_at"], "queued")] if values["queued_at"] else []
            if values["start_date"] and values["state"] != "queued":
                steps.append(_Step(values["start_date"], "running"))
            if values["end_date"] and values["state"] in ("success", "failed"):
                steps.append(_Step(values["end_date"], values["state"]))
            if not steps:
                steps.append(_Step(self._end, values["state"]))
            history = []
            for place, step in enumerate(steps):
                shown = dict(values)
                if place < len(steps) - 1:
                    shown |= {"state": step.state, "end_date": None, "last_scheduling_decision": None}
                    shown["start_date"] = values["start_date"] if step.state == "running" else None
                history.append(_row("dag_runs", shown, step.at, ADDED if place == 0 else MODIFIED))
            decided = values["last_scheduling_decision"]
            if values["state"] == "running" and decided and decided > steps[-1].at:
                history.append(_row("dag_runs", values, decided, MODIFIED))
            yield history

    def _settings(self, table: str, key: str, passing: tuple[str, ...]) -> Iterator[list[Row]]:
        """Things that seldom change: as they are now, and back to the last change that the audit log knows of."""
        for raw in self._staging.rows(f"SELECT * FROM {table}"):
            name, values, _ = READERS[table](raw, self.version, self._redactor)
            begin = self._earliest()
            changed = self._last_edit(table, words(raw[key]) or "")
            since = max(begin, changed) if changed else begin
            early = {**values, **dict.fromkeys(passing)}
            known = (
                [_row(name, early, since, MODIFIED if changed and changed > begin else STATE)]
                if since < self._end
                else []
            )
            if changed and changed > begin and table == "dag":
                # before its toggle a DAG was the opposite; its other settings come from the code
                known.insert(0, _row(name, {**early, "is_paused": not values["is_paused"]}, begin, STATE))
            yield [*known, _row(name, values, self._end, MODIFIED if known else STATE)]

    def _last_edit(self, table: str, name: str) -> Micros | None:
        """When the audit log says that this was last edited by hand; edits in the log hold names and no values."""
        if table == "dag":
            toggles = (
                "SELECT max(dttm) AS at FROM log WHERE dag_id = ? AND event IN"
                " ('paused', 'patch_dag', 'cli_dag_pause', 'cli_dag_unpause', 'cli_pause', 'cli_unpause')"
            )
            return next((time_of(row["at"]) for row in self._staging.rows(toggles, name)), None)
        edits = "SELECT max(dttm) AS at FROM log WHERE event LIKE '%pool%' AND (extra IS NULL OR instr(extra, ?) > 0)"
        return next((time_of(row["at"]) for row in self._staging.rows(edits, name)), None)

    def _jobs(self) -> Iterator[list[Row]]:
        """A job begins, and is heard of last at its latest heartbeat; of those in between none is left."""
        for raw in self._staging.rows("SELECT * FROM job"):
            _, values, _ = READERS["job"](raw, self.version, self._redactor)
            begun, beat, over = values["start_date"], values["latest_heartbeat"], values["end_date"]
            history = []
            if begun:
                first = {**values, "state": "running", "latest_heartbeat": begun, "end_date": None}
                history.append(_row("jobs", first, begun, ADDED))
            if beat and (not begun or beat > begun):
                history.append(
                    _row(
                        "jobs",
                        {**values, "state": values["state"] if not over else "running", "end_date": None},
                        beat,
                        MODIFIED,
                    )
                )
            if over:
                history.append(_row("jobs", values, over, MODIFIED))
            yield sorted(history, key=lambda row: int(row.values["ts"]))

    def _points(self, table: str, column: str) -> Iterator[list[Row]]:
        """What happened once; what carries no time is still so when the dump is taken."""
        for raw in self._staging.rows(f"SELECT * FROM {table}"):
            name, values, _ = READERS[table](raw, self.version, self._redactor)
            yield [_row(name, values, time_of(raw[column]) or self._end, ADDED)]


def _steps(values: Mapping[str, Any], over: Micros, run_queued: Micros | None) -> list[_Step]:
    """The changes of one attempt that its columns prove; `over` is when the attempt before ended."""
    state = values["state"]
    scheduled, queued, start, end = (
        values[name] for name in ("scheduled_dttm", "queued_dttm", "start_date", "end_date")
    )
    steps = []
    if scheduled and state is not None and scheduled > over:
        steps.append(_Step(scheduled, "scheduled"))
    if queued and state not in (None, "scheduled") and queued > over:
        steps.append(_Step(queued, "queued"))
    ran = state in _STARTED and start is not None and start > over and not (start == end and not queued)
    if ran and start:
        # a resumption from a deferral schedules and queues anew: what lies after the start is that of the last leg
        resumed = bool(queued and queued > start + _SKEW)
        steps.append(_Step(start, "running")) if not resumed else steps.insert(0, _Step(start, "running"))
    if state in _OVER and (end or values["updated_at"]):
        steps.append(_Step(end or values["updated_at"], state))
    elif state in ("deferred", "up_for_reschedule", "awaiting_input") and values["updated_at"]:
        steps.append(_Step(values["updated_at"], state))
    first = min((step.at for step in steps), default=None)
    # a later attempt was in state none since its run was queued only if the run was cleared after the one before
    began = run_queued is not None and (values["attempt"] == 1 or 0 < over <= run_queued)
    if run_queued and began and (first is None or run_queued <= first):
        steps.insert(0, _Step(run_queued, None))
    return steps


def _as_of(values: Mapping[str, Any], step: _Step) -> dict[str, Any]:
    """The row as it was at an earlier step: without what was written later."""
    shown = dict(values) | {
        "state": step.state,
        "end_date": None,
        "duration": None,
        "updated_at": step.at,
        "last_heartbeat_at": None,
    }
    for name in ("scheduled_dttm", "queued_dttm"):
        if shown[name] and shown[name] > step.at + (_SKEW if step.state == "running" else 0):
            shown[name] = None
    if step.state != "running":
        shown |= {"start_date": None, "hostname": "", "pid": None, "job_id": None}
    if step.state in (None, "scheduled"):
        shown |= {"external_executor_id": None, "queued_by_job_id": None}
    return shown


def _clipped(history: list[Row], since: Micros | None, end: Micros) -> Iterator[Row]:
    """The changes within the window; of those before it the last one, as the state that the window begins with."""
    kept = [row for row in history if row.values["ts"] <= end]
    if since is not None:
        before = [row for row in kept if row.values["seen_at"] < since]
        kept = kept[len(before) :]
        last = before[-1] if before else None
        if last is not None and last.table not in ("db_log", "celery_results") and (kept or not _is_over(last)):
            yield last._replace(values={**last.values, "seen_at": since, "change": STATE})
    yield from kept


def _is_over(row: Row) -> bool:
    """Whether this is the end of something, which concerns no later window."""
    if row.table == "jobs":
        return row.values["end_date"] is not None
    return row.table in ("task_instances", "dag_runs") and row.values["state"] in _OVER[:-1]


def _row(table: str, values: Mapping[str, Any], at: Micros, change: str, seen_at: Micros | None = None) -> Row:
    return Row(table, {**values, "ts": at, "seen_at": at if seen_at is None else seen_at, "change": change})


def _newest(staging: Staging, table: str, columns: tuple[str, ...]) -> Micros:
    """The newest time in these columns; their texts order like times as long as one writer made them."""
    found = (next(staging.rows(f"SELECT max({c}) AS at FROM {table}"))["at"] for c in columns)
    return max((time_of(at) or 0 for at in found if at is not None), default=0)


def _oldest(staging: Staging, table: str, column: str) -> Micros:
    at = next(staging.rows(f"SELECT min({column}) AS at FROM {table}"))["at"]
    return (time_of(at) or 0) if at is not None else 0
