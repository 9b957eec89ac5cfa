"""The work of a capture as a simulation sees it: jobs that arrive when they could run, and how long they run.

A job arrives at `runnable_at`, never at queued_dttm: what the scheduler did with it is what the simulation is about.
What came between for reasons that no setting changes (a paused DAG, a slow scheduler) stays as a delay.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afscope.engine.attribution import UNKNOWN
from afscope.engine.counting import Key
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.model.stop import Stop

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

# Causes that the simulation decides by itself; their recorded seconds are no delay.
CAPS = frozenset({"dag_max_active_runs", "dag_max_active_tasks", "pool_exhausted", "parallelism_limit"})
_BEFORE_QUEUE = frozenset({"run", "schedule", "limits"})
# Airflow's own default where a task says nothing (default_task_retry_delay, 300 s in every version).
RETRY_DELAY: Micros = 300 * SECOND
UNMEASURED: Micros = 60 * SECOND


@dataclass(slots=True)
class Job:
    """One stay of an attempt in a worker's slot.

    It arrives at `arrival`, or `offset` after job `after` is done, and may be queued `delay` later. `target` is empty
    for work of other executors and workers: it starts `hold` after it is queued, None for never. `duration` None is
    drawn from `like`. `waits` is False for work that ran when the recording began and for later stays of one attempt.
    """

    key: Key
    target: str
    dag: str
    run: tuple[str, str]
    pool: str
    pool_slots: int
    priority: int
    queue: str
    arrival: Micros
    duration: Micros | None
    like: tuple[Micros, ...] = ()
    delay: Micros = 0
    after: int | None = None
    offset: Micros = 0
    hold: Micros | None = None
    retries: int = 0
    waits: bool = True
    host: str = ""
    """Where it ran when the recording began; empty else."""


@dataclass(slots=True)
class Demand:
    """All jobs; `followers` are the jobs that wait for the end of a job, `pickups` per target free slot to start."""

    jobs: list[Job]
    followers: dict[int, list[int]]
    pickups: dict[str, tuple[Micros, ...]]
    unmeasured: int = 0


_ROWS = """
SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, coalesce(s.target, '') AS target,
    coalesce(a.queue, '') AS queue, coalesce(a.pool, '') AS pool, a.pool_slots,
    coalesce(a.priority_weight, 1) AS weight,
    coalesce(a.host, '') AS host, a.queued_at, a.running_at, a.ended_at, a.last_state,
    w.runnable_at, coalesce(m.tries, 0) AS tries,
    EXISTS (FROM kills k WHERE k.dag_id = a.dag_id AND k.run_id = a.run_id AND k.task_id = a.task_id
        AND k.map_index = a.map_index AND k.attempt = a.attempt) AS killed
FROM attempts a
LEFT JOIN waiting w USING (dag_id, run_id, task_id, map_index, attempt)
LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
LEFT JOIN (SELECT dag_id, run_id, task_id, coalesce(map_index, -1) AS map_index, max(max_tries) AS tries
    FROM task_instances GROUP BY ALL) m USING (dag_id, run_id, task_id, map_index)
WHERE w.runnable_at IS NOT NULL OR (a.running_at < $start AND coalesce(a.ended_at, 'infinity') > $start)
ORDER BY coalesce(w.runnable_at, a.running_at), a.queued_at, a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt
"""


def load(investigation: "Investigation", stop: Stop) -> Demand:
    """The jobs of a capture, in order of their arrival. Raises QueryError when `stop` called it off."""
    from afscope.model.clock import to_datetime

    session, start, end = investigation.session, investigation.start, investigation.end
    rows = session.dicts(_ROWS, {"start": to_datetime(start).replace(tzinfo=None)})
    loader = _Loader(rows, start, end, _stays(session))
    loader.spent(investigation)
    for row in rows:
        stop.check()
        loader.add(row)
    stop.check()
    loader.link()
    pickups = {target: tuple(found) for target, found in loader.pickups.items()}
    followers: dict[int, list[int]] = defaultdict(list)
    for number, job in enumerate(loader.jobs):
        if job.after is not None:
            followers[job.after].append(number)
    return Demand(loader.jobs, dict(followers), pickups, loader.unmeasured)


def _key(row: dict[str, Any]) -> Key:
    return row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["attempt"]


def _stays(session: Any) -> dict[Key, list[tuple[str, Micros, Micros]]]:
    """Per attempt that was deferred or rescheduled its stays in queued and running, in order."""
    found: dict[Key, list[tuple[str, Micros, Micros]]] = defaultdict(list)
    for row in session.dicts("FROM stays WHERE state IN ('queued', 'running') ORDER BY from_at"):
        found[_key(row)].append((row["state"], micros(row["from_at"]), micros(row["to_at"])))
    return found


@dataclass(slots=True)
class _Loader:
    """Turns rows of attempts into jobs."""

    rows: Sequence[dict[str, Any]]
    start: Micros
    end: Micros
    stays: dict[Key, list[tuple[str, Micros, Micros]]]
    jobs: list[Job] = field(default_factory=list)
    first: dict[Key, int] = field(default_factory=dict)
    last: dict[Key, int] = field(default_factory=dict)
    delays: dict[Key, Micros] = field(default_factory=dict)
    holds: dict[Key, Micros] = field(default_factory=dict)
    pickups: dict[str, list[Micros]] = field(default_factory=lambda: defaultdict(list))
    killed: set[Key] = field(default_factory=set)
    by_task: dict[tuple[str, str], list[Micros]] = field(default_factory=lambda: defaultdict(list))
    by_dag: dict[str, list[Micros]] = field(default_factory=lambda: defaultdict(list))
    unmeasured: int = 0

    def __post_init__(self) -> None:
        for row in self.rows:
            if row["running_at"] and row["ended_at"] and not row["killed"]:
                took = max(0, micros(row["ended_at"]) - micros(row["running_at"]))
                self.by_task[row["dag_id"], row["task_id"]].append(took)
                self.by_dag[row["dag_id"]].append(took)
            elif row["killed"]:
                self.killed.add(_key(row))

    def spent(self, investigation: "Investigation") -> None:
        """What the attribution says of each wait: delays that stay, and how long a free slot took to be used."""
        stages = {file.header.id: file.header.stage for file in investigation.catalog.group("bottleneck")}
        for waiter in investigation.attribution.waiters:
            key = (waiter.dag_id, waiter.run_id, waiter.task_id, waiter.map_index, waiter.attempt)
            pickup = 0
            for (stage, cause), spent in waiter.seconds.items():
                if stage == "consume":
                    pickup += spent
                elif stage in _BEFORE_QUEUE and cause not in CAPS:
                    # A cap whose holders wait for workers carries their cause: that wait is the simulation's own.
                    own = cause == UNKNOWN or stages.get(cause, "limits") in _BEFORE_QUEUE
                    self.delays[key] = self.delays.get(key, 0) + (spent if own else 0)
            if waiter.running_at is not None:
                self.holds[key] = max(0, waiter.running_at - max(waiter.queued_at, waiter.runnable_at))
                if waiter.target:
                    self.pickups[waiter.target].append(pickup)

    def add(self, row: dict[str, Any]) -> None:
        """The jobs of one attempt; an attempt that only repeats a killed one is the simulation's to decide."""
        key = _key(row)
        if (*key[:4], key[4] - 1) in self.killed:
            self.killed.add(key)
            return
        running = micros(row["running_at"])
        here = row["running_at"] is not None and row["runnable_at"] is None
        self.first[key] = len(self.jobs)
        stays = self.stays.get(key)
        duration = self._duration(row, key)
        job = Job(
            key, row["target"], row["dag_id"], key[:2], row["pool"], row["pool_slots"], row["weight"], row["queue"],
            arrival=self.start if here else micros(row["runnable_at"]), duration=duration,
            delay=0 if here else self.delays.get(key, 0), hold=self.holds.get(key),
            retries=max(0, row["tries"] - row["attempt"] + 1), waits=not here, host=row["host"] if here else "",
        )  # fmt: skip
        if job.duration is None:
            job.like = self._like(row, max(0, self.end - running) if row["running_at"] else 0)
        if here and job.duration is not None:
            job.duration = max(0, job.duration - (self.start - running))
        self.jobs.append(job)
        if stays and row["running_at"]:
            self._split(job, stays)
        self.last[key] = len(self.jobs) - 1

    def _duration(self, row: dict[str, Any], key: Key) -> Micros | None:
        if not row["running_at"] or not row["ended_at"] or key in self.killed:
            return None
        return max(0, micros(row["ended_at"]) - micros(row["running_at"]))

    def _like(self, row: dict[str, Any], least: Micros) -> tuple[Micros, ...]:
        """Durations that an unfinished attempt may have had: of the same task, else of its DAG, never below `least`."""
        for known in (self.by_task[row["dag_id"], row["task_id"]], self.by_dag[row["dag_id"]]):
            longer = tuple(took for took in known if took >= least)
            if longer:
                return longer
        self.unmeasured += 1
        return (max(least, UNMEASURED),)

    def _split(self, job: Job, stays: list[tuple[str, Micros, Micros]]) -> None:
        """A deferred or rescheduled attempt comes back: one job for each stay in a slot."""
        runs = [(start, stop) for state, start, stop in stays if state == "running" and stop > self.start]
        queued = [start for state, start, _ in stays if state == "queued"]
        if not runs:
            return
        job.duration, job.like = runs[0][1] - max(runs[0][0], self.start if not job.waits else 0), ()
        before = runs[0][1]
        for start, stop in runs[1:]:
            again = max((at for at in queued if before <= at <= start), default=start)
            self.jobs.append(
                Job(
                    job.key,
                    job.target,
                    job.dag,
                    job.run,
                    job.pool,
                    job.pool_slots,
                    job.priority,
                    job.queue,
                    arrival=again,
                    duration=stop - start,
                    after=len(self.jobs) - 1,
                    offset=again - before,
                    hold=start - again,
                    waits=False,
                )
            )
            before = stop

    def link(self) -> None:
        """Downstream tasks and retries follow the end of what they waited for, whenever that will be."""
        ends: dict[tuple[str, str, Micros], int] = {}
        over: dict[Key, Micros] = {}
        for row in self.rows:
            key = _key(row)
            if row["ended_at"] is not None and key in self.last:
                over[key] = micros(row["ended_at"])
                ends.setdefault((key[0], key[1], over[key]), self.last[key])
        for key, number in self.first.items():
            job = self.jobs[number]
            if not job.waits:
                continue
            before = (*key[:4], key[4] - 1)
            upstream = ends.get((key[0], key[1], job.arrival))
            if before in over:
                job.after, job.offset = self.last[before], max(0, job.arrival - over[before])
            elif upstream is not None and upstream != number and self.jobs[upstream].key != key:
                job.after = upstream
