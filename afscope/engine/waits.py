"""Between the fact tables and the attribution: loads the waiters and the supply, publishes the table `waits`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from afscope.engine.attribution import Attribution, Running, Waiter
from afscope.engine.session import Session
from afscope.engine.supply import NEVER, Outage, Replicas, Target, WorkerPod
from afscope.model.clock import SECOND, Micros, from_datetime
from afscope.model.finding import STAGES
from afscope.model.timeline import AttemptWait, StageWait

# Airflow's default worker_concurrency, in every version.
DEFAULT_SLOTS = 16
_PAGE = 100_000


def micros(value: datetime | None) -> Micros:
    """A time of a fact as microseconds; NULL and infinity are NEVER."""
    return NEVER if value is None or value.year > 9000 else from_datetime(value)


def _us(*columns: str) -> str:
    """Times as microseconds in SQL, under their names: a million datetimes are slow in Python."""
    return ", ".join(f"coalesce(CASE WHEN isfinite({c}) THEN epoch_us({c}) END, {NEVER}) AS {c}" for c in columns)


def waiters(session: Session) -> list[Waiter]:
    """The rows of `waiting`, each with its target. Leaves them as table `waiters`, for `publish`."""
    session.materialize(
        "waiters",
        f"""SELECT dag_id, run_id, task_id, map_index, attempt,
            coalesce(queue, '') AS queue, coalesce(pool, '') AS pool,
            coalesce(s.target, '') AS target, coalesce(s.counted, false) AS counted,
            {_us("runnable_at", "run_started_at", "scheduled_at", "queued_at", "wait_ended_at")}, before_us,
            epoch_us(running_at) AS running_us, epoch_us(ended_at) AS ended_us,
            row_number() OVER (ORDER BY w.runnable_at, w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt) - 1 AS n
        FROM waiting w LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)""",
    )
    # DuckDB makes a new str of each value; a day has few names and a million rows
    same: dict[str, str] = {}
    one = same.setdefault
    return [
        Waiter(
            one(dag, dag), one(run, run), one(task, task), index, attempt, one(q, q), one(pool, pool), one(t, t), *times
        )
        for dag, run, task, index, attempt, q, pool, t, *times in _pages(
            session, "SELECT * EXCLUDE (n)", "waiters", "n"
        )
    ]


def running(session: Session) -> list[Running]:
    """Attempts while they run, whatever became of them."""
    select = f"SELECT dag_id, run_id, pool, host, {_us('from_at', 'to_at')}"
    same: dict[str, str] = {}
    one = same.setdefault
    return [
        Running(one(dag, dag), one(run, run), one(pool, pool), one(host, host), start, end)
        for dag, run, pool, host, start, end in _pages(session, select, "running_spans", "rowid")
    ]


def _pages(session: Session, select: str, table: str, number: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a table in the order of a column that numbers them, page by page."""
    (count,) = session.run(f"SELECT count(*) FROM {table}").rows[0]
    for first in range(0, count, _PAGE):
        page = f"{select} FROM {table} WHERE {number} >= {first} AND {number} < {first + _PAGE} ORDER BY {number}"
        yield from session.run(page).rows


def targets(session: Session) -> list[Target]:
    """Scaled worker groups with their pods and the steps of their spec.replicas."""
    found = {row["target"]: _target(row) for row in session.dicts("FROM targets ORDER BY target")}
    outages = _outages(session)
    for row in session.dicts("FROM worker_pods ORDER BY target, created_at, name"):
        found[row["target"]].pods.append(_pod(row, found[row["target"]].slots, outages.get(row["uid"], ())))
    for row in session.dicts("FROM replicas WHERE desired IS NOT NULL AND change <> 'DELETED' ORDER BY moment"):
        steps = found[row["target"]].replicas
        if not steps or steps[-1].desired != row["desired"]:
            steps.append(Replicas(micros(row["moment"]), row["desired"]))
    return list(found.values())


def _target(row: dict[str, Any]) -> Target:
    slots = row["worker_concurrency"] or DEFAULT_SLOTS
    ordered = row["workload_kind"] == "StatefulSet" and row["pod_management_policy"] == "OrderedReady"
    return Target(row["target"], slots, row["max_replica_count"], row["polling_interval_s"], ordered)


def _outages(session: Session) -> dict[str, tuple[Outage, ...]]:
    """Spans without work per pod; a lost node comes first where a restart overlaps it."""
    out: dict[str, tuple[Outage, ...]] = {}
    for row in session.dicts("FROM outages ORDER BY uid, kind, from_at"):
        stage = "start" if row["kind"] == "restart" else None
        out[row["uid"]] = (*out.get(row["uid"], ()), Outage(micros(row["from_at"]), micros(row["to_at"]), stage))
    return out


def _pod(row: dict[str, Any], slots: int, outages: tuple[Outage, ...]) -> WorkerPod:
    stopping = min(micros(row["stopping_at"]), micros(row["gone_at"]))
    return WorkerPod(
        name=row["name"],
        slots=row["slots"] or slots,
        created_at=micros(row["created_at"]),
        scheduled_at=micros(row["scheduled_at"]),
        started_at=micros(row["started_at"]),
        consuming_at=micros(row["consuming_at"]),
        stopping_at=stopping,
        queues=frozenset(row["queues"] or ()),
        outages=outages,
    )


def publish(session: Session, result: Attribution) -> None:
    """Creates the table `waits`: one row per attempt, stage and cause. `waiters` has their names, and goes."""
    kinds: dict[tuple[str, str], int] = {}
    rows = (
        (n, kinds.setdefault(kind, len(kinds)), us)
        for n, waiter in enumerate(result.waiters)
        for kind, us in waiter.seconds.items()
    )
    session.fill_numbers("wait_parts", ("n", "kind", "us"), rows)
    named = [(number, *kind) for kind, number in kinds.items()]
    session.fill("wait_kinds", {"kind": "BIGINT", "stage": "VARCHAR", "cause": "VARCHAR"}, named)
    session.materialize(
        "waits",
        f"""SELECT w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt, w.queue, w.pool, w.target, k.stage, k.cause,
            p.us / {SECOND} AS seconds
        FROM wait_parts p JOIN waiters w USING (n) JOIN wait_kinds k USING (kind) ORDER BY p.n, p.rowid""",
    )
    for table in ("waiters", "wait_parts", "wait_kinds"):
        session.run(f"DROP TABLE {table}")


def attempt_waits(result: Attribution, end: Micros) -> list[AttemptWait]:
    """The attribution as the contract of `afscope waits` words it, stages in the order of the chain.

    `running_at` is when the wait was over: the start, or the failure of an attempt that a worker took and could not
    start; None while it still waits at the end of the capture.
    """
    return [_attempt_wait(waiter, end) for waiter in result.waiters]


def _attempt_wait(waiter: Waiter, end: Micros) -> AttemptWait:
    parts = sorted(waiter.seconds.items(), key=lambda item: (STAGES.index(item[0][0]), item[0][1]))
    return AttemptWait(
        dag_id=waiter.dag_id,
        run_id=waiter.run_id,
        task_id=waiter.task_id,
        map_index=waiter.map_index,
        try_number=waiter.attempt,
        queue=waiter.queue,
        pool=waiter.pool,
        target=waiter.target,
        runnable_at=waiter.runnable_at,
        running_at=waiter.ended_at if waiter.running_at is None and waiter.ended_at < end else waiter.running_at,
        ended_at=waiter.attempt_ended_at,
        stages=tuple(StageWait(stage, us / SECOND, cause) for (stage, cause), us in parts),
    )
