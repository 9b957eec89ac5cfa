"""Airflow in the lab: a scheduler with its limits, task rows as each major version keeps them, and polls of them."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.recorded import Line

OVER = ("success", "failed")
ZOMBIE_S = 300  # [scheduler] task_instance_heartbeat_timeout
CANDIDATES = 16  # [scheduler] max_tis_per_query


@dataclass(frozen=True)
class Work:
    """A run of `tasks` parallel tasks of a DAG; seconds are those a task runs. `fails` of them fail by themselves.

    With `defers` a task first hands itself to the triggerer for so many seconds; `timeout` is its execution_timeout;
    with an `executor` of its own it runs in a pod of its own, and never on a worker.
    """

    at: float
    tasks: int
    seconds: float = 20.0
    dag: str = "nightly"
    pool: str = "default_pool"
    queue: str = "default"
    retries: int = 0
    fails: int = 0
    kpo: bool = False
    defers: float = 0.0
    timeout: float = 0.0
    executor: str | None = None


@dataclass
class Task:
    """One task instance with its current attempt."""

    run: "Run"
    task_id: str
    seconds: float
    state: str | None = None
    attempt: int = 0
    scheduled_at: float | None = None
    queued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    retry_at: float = 0.0
    host: str = ""
    celery: str = ""
    beat: float | None = None
    dies_of_itself: bool = False
    fires_at: float | None = None
    """When the event comes for which it was deferred."""
    token: int = 0
    """Deliveries to a worker: an answer of an earlier one counts no more."""


@dataclass
class Run:
    """One DAG run."""

    work: Work
    run_id: str
    number: int
    state: str = "queued"
    started_at: float | None = None
    ended_at: float | None = None
    decided_at: float | None = None
    tasks: list[Task] = field(default_factory=list)


@dataclass
class Airflow:
    """The database and its scheduler. `dags` holds max_active_tasks, max_active_runs, paused per DAG, and `per_task`:
    max_active_tis_per_dag of all its tasks.
    """

    major: int
    dice: random.Random
    zone: str = "+00:00"
    dags: dict[str, dict[str, Any]] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    parallelism: int = 32
    runs: list[Run] = field(default_factory=list)
    messages: list[Task] = field(default_factory=list)
    beat_at: float = 0.0
    triggerer_beat_at: float = 0.0
    started_at: float = 0.0
    candidates: int = CANDIDATES
    retry_delay: float = 10.0
    unsent: list[tuple[float, Task]] = field(default_factory=list)
    """Tasks whose message the broker did not take, and when the executor gives them up."""
    _seen: dict[tuple[str, str], Line] = field(default_factory=dict)
    _counts: list[Line] | None = None

    @property
    def tasks(self) -> list[Task]:
        """All task instances."""
        return [task for run in self.runs for task in run.tasks]

    def trigger(self, work: Work, now: float) -> None:
        """Somebody starts a run."""
        number = len(self.runs) + 1
        run = Run(work, f"manual__{work.dag}_{number}_{int(now)}", number)
        run.tasks = [Task(run, f"t{i:03}", work.seconds * self.dice.uniform(0.9, 1.1)) for i in range(work.tasks)]
        for task in run.tasks[: work.fails]:
            task.dies_of_itself = True
        self.runs.append(run)

    # -- the scheduler's loop

    def loop(self, now: float, broker: str = "") -> list[Task]:
        """One pass: runs start and end, tasks are scheduled and, within all limits, queued.

        `broker` is what is wrong with it: refused or hung. Gives the tasks that were queued and could not be sent.
        """
        self.beat_at = now if now - self.beat_at >= 5 else self.beat_at
        self._runs(now)
        self._give_up(now)
        known = len(self.unsent)
        for task in self.tasks:
            if task.state == "running" and now - (task.beat or now) > ZOMBIE_S:
                self.end(task, now, ok=False)
        held = Counter[tuple[str, str]]()
        for task in self.tasks:
            if task.state in ("queued", "running"):
                for key in self._places(task):
                    held[key] += 1
        sent = 0
        for task in self.tasks:
            if task.state != "scheduled" or sent == self.candidates:
                continue
            work = task.run.work
            most = (
                self.dags[work.dag]["max_active_tasks"],
                self.pools[work.pool],
                self.parallelism,
                self.dags[work.dag].get("per_task", self.parallelism),
            )
            places = self._places(task)
            if any(
                held[place] >= cap for place, cap in zip(places, most, strict=True)
            ):  # the query is asked again without what is starved
                continue
            sent += 1
            for place in places:
                held[place] += 1
            self._queue(task, now, broker)
        return [task for _, task in self.unsent[known:]]

    def _give_up(self, now: float) -> None:
        """The executor reports failure for what it could not send: the task fails without ever having started."""
        for task in [task for at, task in self.unsent if at <= now]:
            self.end(task, now, ok=False)
        self.unsent = [(at, task) for at, task in self.unsent if at > now]

    def _places(self, task: Task) -> tuple[tuple[str, str], ...]:
        """What a queued or running task takes a place of: DAG, pool, executor, and its own cap."""
        work = task.run.work
        return ("dag", self._cap_key(task)), ("pool", work.pool), ("all", ""), (f"task of {work.dag}", task.task_id)

    def _cap_key(self, task: Task) -> str:
        # since 3.0 max_active_tasks counts per run
        return task.run.run_id if self.major == 3 else task.run.work.dag

    def _queue(self, task: Task, now: float, broker: str) -> None:
        task.state, task.queued_at, task.celery = "queued", now, "" if broker else self._uuid()
        resumes = task.fires_at is not None
        task.attempt += self.major == 2 and not resumes
        if not resumes:  # one that comes back keeps its first start
            task.started_at = task.ended_at = None
            task.host = ""
        if task.run.work.executor:
            task.celery = ""
        elif broker:  # refused at once; else three tries of [celery] operation_timeout, 1 s each
            self.unsent.append((now + (0.5 if broker == "refused" else 4.0), task))
        else:
            self.messages.append(task)

    def _runs(self, now: float) -> None:
        for run in self.runs:
            dag = self.dags[run.work.dag]
            active = sum(r.state == "running" and r.work.dag == run.work.dag for r in self.runs)
            if run.state == "queued" and not dag["is_paused"] and active < dag["max_active_runs"]:
                run.state, run.started_at = "running", now
            if run.state != "running":
                continue
            run.decided_at = now
            for task in run.tasks:
                if task.state is None or (task.state == "up_for_retry" and now >= task.retry_at):
                    task.state, task.scheduled_at = "scheduled", now
                    task.attempt += self.major == 3
            if all(task.state in OVER for task in run.tasks):
                run.state = "failed" if any(task.state == "failed" for task in run.tasks) else "success"
                run.ended_at = now

    # -- the triggerer, and pods of the KubernetesExecutor

    def defer(self, task: Task, now: float) -> None:
        """The task hands itself to the triggerer, and its worker's slot back."""
        task.state, task.fires_at = "deferred", now + task.run.work.defers

    def triggerer(self, now: float) -> None:
        """A triggerer that lives: its heartbeat, and the events that came."""
        self.triggerer_beat_at = now if now - self.triggerer_beat_at >= 5 else self.triggerer_beat_at
        for task in self.tasks:
            if task.state == "deferred" and now >= (task.fires_at or now):
                task.state, task.scheduled_at = "scheduled", now

    def own_pods(self, now: float, boot: float = 6.0) -> None:
        """Tasks of another executor: each starts in a pod of its own."""
        for task in self.tasks:
            if not task.run.work.executor:
                continue
            if task.state == "queued" and now >= (task.queued_at or now) + boot:
                self.start(task, f"{task.run.work.dag}-{task.task_id}-{self.dice.getrandbits(24):06x}", now)
            elif task.state == "running" and now >= (task.started_at or now) + task.seconds:
                self.end(task, now, ok=True)

    # -- workers

    def start(self, task: Task, host: str, now: float) -> None:
        """A worker took the message and runs the task."""
        task.state, task.host, task.beat = "running", host, now
        task.started_at = task.started_at or now
        task.token += 1

    def end(self, task: Task, now: float, *, ok: bool) -> None:
        """An attempt is over; a failed one may be tried again."""
        task.ended_at = now
        if ok:
            task.state = "success"
        elif task.attempt <= task.run.work.retries:
            task.state, task.retry_at = "up_for_retry", now + self.retry_delay
        else:
            task.state = "failed"

    def _uuid(self) -> str:
        raw = f"{self.dice.getrandbits(128):032x}"
        return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:]}"

    # -- polls

    def poll(self, now: float, took: float = 0.002) -> list[Line]:
        """What a good poll writes: rows that are new or changed."""
        out: list[Line] = [{"t": now, "poll": "ok", "took": took}]
        tables: dict[str, list[Line]] = {
            "alembic_version": [{"version_num": "d2f4e1b3c5a7" if self.major == 3 else "5f2621c13b39"}],
            "slot_pool": [{"pool": pool, "slots": slots, "include_deferred": False} for pool, slots in self.pools.items()],
            "dag": [self._dag_row(name, dag) for name, dag in self.dags.items()],
            "job": [*self._job_rows(), *self._task_jobs()],
            "dag_run": [self._run_row(run) for run in self.runs],
            "task_instance": [self._task_row(task) for task in self.tasks],
        }  # fmt: skip
        for table, rows in tables.items():
            fresh = []
            for row in rows:
                key = table, str([row.get(k) for k in ("dag_id", "run_id", "task_id", "pool", "id")])
                if self._seen.get(key) != row:
                    self._seen[key] = row
                    fresh.append(row)
            if fresh:
                out.append({"t": now, "table": table, "rows": fresh})
        counts = Counter((task.state, task.run.work.queue, task.run.work.pool) for task in self.tasks)
        told = [{"state": s, "queue": q, "pool": p, "n": n} for (s, q, p), n in counts.items()]
        if told != self._counts:
            self._counts = told
            out.append({"t": now, "table": "counts", "rows": told})
        return out

    def when(self, at: float | None) -> str | None:
        """A time as the database holds it."""
        return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}{self.zone}"

    def _dag_row(self, name: str, dag: dict[str, Any]) -> Line:
        alive = {"is_stale": False, "bundle_name": "dags-folder"} if self.major == 3 else {"is_active": True}
        caps = {key: value for key, value in dag.items() if key != "per_task"}
        return {"dag_id": name, "has_task_concurrency_limits": "per_task" in dag, "has_import_errors": False, **caps, **alive,
                "next_dagrun_create_after": None, "last_parsed_time": self.when(self.started_at)}  # fmt: skip

    def _job_rows(self) -> list[Line]:
        beats = (41, "Scheduler", self.beat_at), (42, "Triggerer", self.triggerer_beat_at)
        return [
            {"id": number, "job_type": f"{name}Job", "state": "running", "hostname": f"{name.lower()}-0", "end_date": None,
             "latest_heartbeat": self.when(beat), "start_date": self.when(self.started_at)}
            for number, name, beat in beats if beat
        ]  # fmt: skip

    def _task_jobs(self) -> list[Line]:
        """Of 2.x each running attempt has a job of its own, whose heartbeat is the attempt's."""
        if self.major == 3:
            return []
        return [
            {"id": 500 + number, "job_type": "LocalTaskJob", "state": "running" if task.state == "running" else "success",
             "hostname": task.host, "latest_heartbeat": self.when(task.beat), "start_date": self.when(task.started_at),
             "end_date": self.when(task.ended_at)}
            for number, task in enumerate(self.tasks) if task.started_at
        ]  # fmt: skip

    def _run_row(self, run: Run) -> Line:
        at = self.when(run.work.at + self.started_at)
        dates = (
            {"logical_date": None, "run_after": at}
            if self.major == 3
            else {"execution_date": at, "external_trigger": True}
        )
        return {"id": run.number, "dag_id": run.work.dag, "run_id": run.run_id, "state": run.state, "run_type": "manual",
                "queued_at": at, **dates, "start_date": self.when(run.started_at), "end_date": self.when(run.ended_at),
                "creating_job_id": None, "last_scheduling_decision": self.when(run.decided_at), "clear_number": 0}  # fmt: skip

    def _task_row(self, task: Task) -> Line:
        work = task.run.work
        row: Line = {
            "dag_id": work.dag, "task_id": task.task_id, "run_id": task.run.run_id, "map_index": -1, "state": task.state,
            "try_number": task.attempt, "max_tries": work.retries, "hostname": task.host, "pool": work.pool, "pool_slots": 1,
            "queue": work.queue, "priority_weight": 1, "operator": "KubernetesPodOperator" if work.kpo else "PythonOperator",
            "executor": work.executor, "queued_dttm": self.when(task.queued_at), "queued_by_job_id": 41 if task.queued_at else None,
            "start_date": self.when(task.started_at), "end_date": self.when(task.ended_at),
            "duration": task.ended_at - task.started_at if task.ended_at and task.started_at else None,
            "external_executor_id": task.celery or None, "pid": 100 if task.started_at else None,
            "trigger_id": 900 if task.state == "deferred" else None,
        }  # fmt: skip
        if self.major == 3:
            row |= {"id": f"{task.run.run_id}-{task.task_id}-{task.attempt}", "scheduled_dttm": self.when(task.scheduled_at),
                    "last_heartbeat_at": self.when(task.beat) if task.started_at else None}  # fmt: skip
        else:
            row["job_id"] = 500 + self.tasks.index(task) if task.started_at else None
        return row
