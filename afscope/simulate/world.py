"""What a simulation starts from: the targets of a capture with everything that was measured of them."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from afscope.control.hpa import Controller, HpaSpec, Metric, TargetKind, behavior_from
from afscope.control.scaledobject import ScaledObject, controls_from
from afscope.engine.counting import Counted, Key
from afscope.engine.trigger_sql import Translation, translate
from afscope.engine.waits import DEFAULT_SLOTS, micros
from afscope.model.clock import SECOND, Micros
from afscope.model.stop import Stop
from afscope.simulate import demand, looks
from afscope.simulate.counts import Counter, counter
from afscope.simulate.looks import Beat, Look

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation
    from afscope.engine.session import Session

# Causes during which KEDA's poll has no value, the HPA's request has no answer, the HPA does not sync at all.
POLL_FAULTS = frozenset(
    {"keda_operator_down", "trigger_db_unreachable", "trigger_query_error", "trigger_auth_failure",
     "scaledobject_not_ready", "scaledobject_paused", "db_connections_exhausted"}
)  # fmt: skip
METRIC_FAULTS = POLL_FAULTS | {"external_metric_timeout", "external_metrics_api_missing", "metric_path_tls"}
SYNC_FAULTS = frozenset({"hpa_controller_stalled", "scaledobject_paused"})
ASSUMED_BOOT: Micros = 30 * SECOND
NEVER_READY = -1
"""A boot that did not end while the recorder watched."""

Span = tuple[Micros, Micros]


@dataclass(frozen=True, slots=True)
class Steps:
    """A setting over time: `since` sorted, `values` beside it; before the first it had the first value."""

    since: tuple[Micros, ...]
    values: tuple[int, ...]

    def at(self, now: Micros) -> int:
        """The value that holds at `now`."""
        return self.values[max(0, bisect_right(self.since, now) - 1)]


@dataclass(frozen=True, slots=True)
class Caps:
    """Airflow's limits; a DAG or pool that is missing has none on record and is not limited."""

    pools: dict[str, Steps]
    dag_tasks: dict[str, Steps]
    dag_runs: dict[str, Steps]
    parallelism: int


@dataclass(frozen=True, slots=True)
class InitialPod:
    """A worker pod that was there when the recording began."""

    name: str
    ready_at: Micros | None


@dataclass(frozen=True, slots=True)
class Group:
    """One scaled worker group: settings, measurements, and the faults of its chain.

    `boots` are seconds from a pod's creation to its consuming (NEVER_READY where it never did), `serves` the queues of
    its workers, None for all. `outside` are sizes that others than KEDA and the HPA wrote.
    """

    name: str
    target: ScaledObject
    hpa: HpaSpec
    counter: Counter
    controller: Controller = field(default_factory=Controller)
    activation: float = 0.0
    cached: bool = False
    slots: int = DEFAULT_SLOTS
    grace: Micros = 30 * SECOND
    kills: bool = False
    ordered: bool = False
    stateful: bool = False
    boots: tuple[Micros, ...] = ()
    pickups: tuple[Micros, ...] = (0,)
    exit: Micros = SECOND
    serves: frozenset[str] | None = None
    max_pods: int | None = None
    poll_anchor: Micros | None = None
    sync: Beat = field(default_factory=lambda: Beat((), 15 * SECOND))
    replicas: int = 0
    last_active: Micros | None = None
    pods: tuple[InitialPod, ...] = ()
    poll_faults: tuple[Span, ...] = ()
    metric_faults: tuple[Span, ...] = ()
    sync_faults: tuple[Span, ...] = ()
    outside: tuple[tuple[Micros, int], ...] = ()
    query: str = ""
    trigger_type: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """Everything a simulation needs, free of the capture: it may be run many times."""

    start: Micros
    end: Micros
    groups: tuple[Group, ...]
    demand: demand.Demand
    caps: Caps
    running_runs: frozenset[tuple[str, str]]
    notes: dict[str, list[str]] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """A group by its target's name."""
        return next(group for group in self.groups if group.name == name)

    def changed(self, group: Group) -> "World":
        """The same world with one group replaced."""
        return replace(self, groups=tuple(group if g.name == group.name else g for g in self.groups))


def load(investigation: "Investigation", stop: Stop | None = None) -> World:
    """Reads a capture's facts once. Raises QueryError when `stop` called it off."""
    session = investigation.session
    work = demand.load(investigation, stop or Stop())
    notes: dict[str, list[str]] = {}
    groups = []
    for row in session.dicts("FROM targets ORDER BY target"):
        said = notes.setdefault(row["target"], [])
        groups.append(_group(investigation, row, work, said))
    return World(
        investigation.start, investigation.end, tuple(groups), work, _caps(session),
        _running_runs(session, investigation.start), notes,
    )  # fmt: skip


def _group(investigation: "Investigation", row: dict[str, Any], work: demand.Demand, notes: list[str]) -> Group:
    session, name = investigation.session, row["target"]
    found = looks.looks(session, name)
    last = session.dicts(
        "SELECT * FROM scaledobjects WHERE uid = $uid ORDER BY seen_at", {"uid": row["scaledobject_uid"]}
    )
    spec = _scaled_object(last[-1])
    hpa = _hpa(session, row, found, notes)
    if not investigation.assessable("task_instances"):
        notes.append("no_tasks")
    if last[-1]["fallback"]:
        notes.append("fallback")
    trigger = (json.loads(last[-1]["triggers"] or "[]") or [{}])[0]
    pods = _pods(session, name, investigation.start, investigation.end)
    if not any(boot >= 0 for boot in pods["boots"]):
        notes.append("no_boot")
    if work.unmeasured:
        notes.append("unmeasured")
    query = translate(row["query"], row["trigger_type"] or "") if row["query"] else Translation(reason="no query")
    slots = pods.pop("slots") or row["worker_concurrency"] or DEFAULT_SLOTS
    count = counter(session, query, name, work.jobs, slots)
    if count.guessed:
        notes.append("no_query")
    return Group(
        name=name, target=spec, hpa=hpa or _made_hpa(row, spec, last[-1]), counter=count,
        activation=float(row["activation_target"]), cached=bool(trigger.get("useCachedMetrics")),
        slots=slots,
        grace=(30 if row["grace_period_s"] is None else row["grace_period_s"]) * SECOND,
        kills=_kills(investigation, name), stateful=row["workload_kind"] == "StatefulSet",
        ordered=row["workload_kind"] == "StatefulSet" and row["pod_management_policy"] == "OrderedReady",
        pickups=work.pickups.get(name) or (0,),
        poll_anchor=_poll_anchor(session, row["scaledobject_uid"]), sync=looks.beat(found),
        replicas=size_at(session, name, investigation.start), last_active=_last_active(last, investigation.start),
        poll_faults=_spans(investigation, name, POLL_FAULTS),
        metric_faults=_spans(investigation, name, METRIC_FAULTS),
        sync_faults=_spans(investigation, name, SYNC_FAULTS),
        outside=_outside(session, name, investigation.start),
        query=row["query"] or "", trigger_type=row["trigger_type"] or "", **pods,
    )  # fmt: skip


def _scaled_object(row: dict[str, Any]) -> ScaledObject:
    pauses = json.loads(row["pause_annotations"] or "{}")
    # A pause that is on record is a fault in time (scaledobject_paused); the settings of a what-if are not paused.
    controls = replace(controls_from(pauses), paused=False)
    defaults = ScaledObject()

    def given(name: str, default: int) -> int:
        return default if row[name] is None else int(row[name])

    return ScaledObject(
        given("min_replica_count", defaults.min_replicas), given("max_replica_count", defaults.max_replicas),
        row["idle_replica_count"], given("polling_interval_s", defaults.polling_s),
        given("cooldown_period_s", defaults.cooldown_s), given("initial_cooldown_period_s", 0), None, controls,
        micros(row["created_at"]) if row["created_at"] else 0,
    )  # fmt: skip


def _hpa(session: "Session", row: dict[str, Any], found: Sequence[Look], notes: list[str]) -> HpaSpec | None:
    """The last spec on record, with the first trigger's metric alone: only its SQL can be counted again."""
    rows = session.dicts("SELECT * FROM hpas WHERE uid = $uid ORDER BY seen_at DESC", {"uid": row["hpa_uid"]})
    specs = [look.spec for look in reversed(found)]
    for raw in rows:
        try:
            specs.append(looks.spec_of(raw))
        except (ValueError, KeyError, TypeError):
            specs.append(None)
    for spec in specs:
        if spec is not None and spec.metrics:
            if len(spec.metrics) > 1:
                notes.append("first_metric")
            return replace(spec, metrics=spec.metrics[:1])
    notes.append("other_metrics" if rows else "no_hpa")
    return None


def _made_hpa(row: dict[str, Any], spec: ScaledObject, so: dict[str, Any]) -> HpaSpec:
    """The HPA that KEDA would make of a ScaledObject."""
    behavior = behavior_from(json.loads(so["behavior"])) if so["behavior"] else None
    metric = Metric("s0", max(1, round(float(row["trigger_target"]) * 1000)), TargetKind.AVERAGE_VALUE)
    return HpaSpec(spec.max_replicas, (metric,), spec.hpa_min, behavior)


def _pods(session: "Session", target: str, start: Micros, end: Micros) -> dict[str, Any]:
    rows = session.dicts(
        """SELECT w.*, (SELECT min(p.seen_at) FILTER (WHERE p.change = 'ADDED') FROM pods p WHERE p.uid = w.uid) AS born
        FROM worker_pods w WHERE target = $target ORDER BY created_at, name""",
        {"target": target},
    )
    boots, lived, exits, initial = [], [], [], []
    for row in rows:
        created = micros(row["born"] or row["created_at"])
        gone = min(micros(row["stopping_at"]), micros(row["gone_at"]), end)
        if row["consuming_at"] is not None:
            boots.append(max(0, micros(row["consuming_at"]) - created))
        else:
            lived.append(gone - created)
        if row["stopping_at"] is not None and row["gone_at"] is not None:
            exits.append(micros(row["gone_at"]) - micros(row["stopping_at"]))
        if created <= start < gone:
            ready = None if row["consuming_at"] is None else max(start, micros(row["consuming_at"]))
            initial.append(InitialPod(row["name"], ready))
    # A pod that was taken away sooner than the others took to boot says nothing about its own boot.
    patience = max([*boots, 60 * SECOND])
    boots += [NEVER_READY] * sum(1 for span in lived if span > patience)
    queues = frozenset(queue for row in rows for queue in row["queues"] or ())
    slots = [row["slots"] for row in rows if row["slots"]]
    return {
        "boots": tuple(boots),
        # A drained worker's end depends on its tasks; the shortest one is the process's own.
        "exit": max(0, min(exits)) if exits else SECOND,
        "serves": queues or None,
        "pods": tuple(initial),
        "max_pods": _room(session, target),
        "slots": slots[-1] if slots else None,
    }


def _room(session: "Session", target: str) -> int | None:
    """The most pods that a quota or an admission let exist, None where none was refused."""
    row = session.run(
        """SELECT bool_or(failure_reason = 'FailedCreate'),
            max(current) FILTER (WHERE failure_reason = 'FailedCreate') FROM replicas WHERE target = $target""",
        {"target": target},
    ).rows[0]
    return int(row[1] or 0) if row[0] else None


def _kills(investigation: "Investigation", target: str) -> bool:
    """Whether the recording shows that SIGTERM kills tasks at once."""
    if any(c.cause == "sigterm_broadcast" and c.target in ("", target) for c in investigation.claims):
        return True
    found = investigation.session.run(
        "SELECT count(*) FROM kills WHERE target = $target AND way = 'sigterm'", {"target": target}
    )
    return bool(found.rows[0][0])


def _spans(investigation: "Investigation", target: str, causes: frozenset[str]) -> tuple[Span, ...]:
    return tuple(
        (claim.start, claim.end)
        for claim in investigation.claims
        if claim.cause in causes and claim.target in ("", target)
    )


def _poll_anchor(session: "Session", uid: str) -> Micros | None:
    """An instant at which KEDA polled: lastActiveTime moves with each active poll."""
    rows = session.run(
        """SELECT max(seen_at) FROM (SELECT seen_at, last_active_time,
            lag(last_active_time) OVER (ORDER BY seen_at) AS before FROM scaledobjects WHERE uid = $uid)
        WHERE last_active_time IS DISTINCT FROM before AND before IS NOT NULL""",
        {"uid": uid},
    ).rows
    return micros(rows[0][0]) if rows and rows[0][0] else None


def _last_active(rows: Sequence[dict[str, Any]], start: Micros) -> Micros | None:
    known = [row["last_active_time"] for row in rows if micros(row["seen_at"]) <= start + SECOND]
    return micros(known[-1]) if known and known[-1] else None


def _outside(session: "Session", target: str, start: Micros) -> tuple[tuple[Micros, int], ...]:
    """Sizes that neither KEDA nor the HPA wrote, after the start."""
    changes = session.dicts("FROM decisions WHERE target = $target ORDER BY moment", {"target": target})
    return tuple(
        (at, row["after"])
        for row in changes
        if row["author"] not in ("keda", "hpa") and (at := micros(row["moment"])) > start
    )


def size_at(session: "Session", target: str, start: Micros) -> int:
    """spec.replicas at the start: the last one before it, else the first one after."""
    rows = session.run(
        "SELECT moment, desired FROM replicas WHERE target = $target AND desired IS NOT NULL ORDER BY moment",
        {"target": target},
    ).rows
    before = [size for moment, size in rows if micros(moment) <= start]
    return int(before[-1] if before else rows[0][1] if rows else 0)


def _caps(session: "Session") -> Caps:
    def steps(sql: str) -> dict[str, Steps]:
        found: dict[str, list[tuple[Micros, int]]] = {}
        for name, since, value in session.run(sql).rows:
            if value is not None:
                known = found.setdefault(name, [])
                if not known or known[-1][1] != value:
                    known.append((0 if since is None or since.year < 1971 else micros(since), value))
        return {name: Steps(tuple(at for at, _ in s), tuple(v for _, v in s)) for name, s in found.items()}

    config = session.dicts("FROM airflow")
    schedulers = session.run(
        """SELECT count(DISTINCT id) FROM jobs
        WHERE job_type = 'SchedulerJob' AND state = 'running' AND change <> 'DELETED'"""
    ).rows[0][0]
    alone = int(config[0]["parallelism"]) if config else 32
    return Caps(
        steps("SELECT pool, since, slots FROM pool_settings ORDER BY pool, since"),
        steps("SELECT dag_id, since, max_active_tasks FROM dag_settings ORDER BY dag_id, since"),
        steps("SELECT dag_id, since, max_active_runs FROM dag_settings ORDER BY dag_id, since"),
        alone * max(1, schedulers),
    )


def _running_runs(session: "Session", start: Micros) -> frozenset[tuple[str, str]]:
    rows = session.dicts("FROM runs WHERE started_at IS NOT NULL")
    return frozenset(
        (row["dag_id"], row["run_id"]) for row in rows if micros(row["started_at"]) <= start < micros(row["ended_at"])
    )


def flags_of(counter_: Counter, key: Key) -> Counted:
    """Whether a group's query counts an attempt."""
    return counter_.flags.get(key, Counted(queued=False, running=False))
