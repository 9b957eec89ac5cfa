"""Between the fact tables and the attribution: loads the waiters and the supply, publishes the table `waits`."""

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


def micros(value: datetime | None) -> Micros:
    """A time of a fact as microseconds; NULL and infinity are NEVER."""
    return NEVER if value is None or value.year > 9000 else from_datetime(value)


def waiters(session: Session) -> list[Waiter]:
    """The rows of `waiting`, each with its target."""
    rows = session.dicts(
        """SELECT w.*, coalesce(s.target, '') AS target, coalesce(s.counted, false) AS counted
        FROM waiting w LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
        ORDER BY w.runnable_at, w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt"""
    )
    return [_waiter(row) for row in rows]


def _waiter(row: dict[str, Any]) -> Waiter:
    return Waiter(
        dag_id=row["dag_id"],
        run_id=row["run_id"],
        task_id=row["task_id"],
        map_index=row["map_index"],
        attempt=row["attempt"],
        queue=row["queue"] or "",
        pool=row["pool"] or "",
        target=row["target"],
        counted=row["counted"],
        runnable_at=micros(row["runnable_at"]),
        run_started_at=micros(row["run_started_at"]),
        scheduled_at=micros(row["scheduled_at"]),
        queued_at=micros(row["queued_at"]),
        ended_at=micros(row["wait_ended_at"]),
        before=row["before_us"],
        running_at=from_datetime(row["running_at"]) if row["running_at"] else None,
        attempt_ended_at=from_datetime(row["ended_at"]) if row["ended_at"] else None,
    )


def running(session: Session) -> list[Running]:
    """Attempts while they run, whatever became of them."""
    return [
        Running(r["dag_id"], r["run_id"], r["pool"], r["host"], micros(r["from_at"]), micros(r["to_at"]))
        for r in session.dicts("FROM running_spans")
    ]


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
    """Creates the table `waits`: one row per attempt, stage and cause."""
    rows = [
        (w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt, w.queue, w.pool, w.target, stage, cause, us / SECOND)
        for w in result.waiters
        for (stage, cause), us in w.seconds.items()
    ]
    columns = {
        "dag_id": "VARCHAR", "run_id": "VARCHAR", "task_id": "VARCHAR", "map_index": "BIGINT", "attempt": "BIGINT",
        "queue": "VARCHAR", "pool": "VARCHAR", "target": "VARCHAR", "stage": "VARCHAR", "cause": "VARCHAR",
        "seconds": "DOUBLE",
    }  # fmt: skip
    session.fill("waits", columns, rows)


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
