"""A case made by hand after a real recording: the metrics apiserver hung while 48 tasks came in.

48 tasks of one DAG (32 at a time), 4 slots a worker, replicas 0 -> 1 by KEDA, then nothing for 94 s because the HPA got
no metric, then 1 -> 4 -> 5 by the HPA. Times are seconds after the start of the recording.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from afscope.model.browse import (
    Answer,
    Ask,
    Limit,
    Line,
    Listing,
    PodLife,
    Scaling,
    SourceLine,
    WaitedAttempt,
    WaitGroup,
)
from afscope.model.capture import Source, SourceState
from afscope.model.clock import SECOND, Micros, parse_time
from afscope.model.finding import (
    Analysis,
    CaptureInfo,
    ComponentRuling,
    Condition,
    Cost,
    Evidence,
    Finding,
    NotAssessed,
    Role,
    Ruling,
    Severity,
    Verdict,
)
from afscope.model.stop import Stop
from afscope.model.timeline import Chart, Lane, RowPage, Span, Step, Tick

START = parse_time("2026-11-22T20:09:39.896368Z")
TARGET = "airflow/analytics-worker"
FAILED = (
    "unable to get external metric airflow/s0-postgresql/&LabelSelector{MatchLabels:map[string]string"
    "{scaledobject.keda.sh/name: analytics-worker,},}: unable to fetch metrics from external metrics API: the server "
    "is currently unable to handle the request (get s0-postgresql.external.metrics.k8s.io)"
)


def at(seconds: float) -> Micros:
    return START + round(seconds * SECOND)


END = at(163.824536)


def lane(name: str, *steps: tuple[float, float | None]) -> Lane:
    return Lane(name, tuple(Step(at(seconds), value) for seconds, value in steps))


def span(start: float, end: float, kind: str, text: str = "") -> Span:
    return Span(at(start), at(end), kind, text)


_BATCHES = ((22.9, 4), (48.3, 0), (49.0, 4), (74.5, 0), (75.1, 4), (100.5, 0), (101.1, 4), (118.7, 8), (119.4, 12))
LANES = (
    lane("waiting", (0, 0), (16.6, 24), (16.7, 8), (17.1, 0), (18.5, 24), (19.2, 16), (49.2, 12), (74.9, 8), (101.7, 4), (127.1, 0)),
    lane("queued", (0, 0), (16.7, 16), (17.1, 24), (19.2, 32), (23.0, 28), (74.9, 32), (75.6, 28), (118.8, 24), (120.2, 16), (136, 8), (148.8, 0)),
    lane("running", (0, 0), *_BATCHES, (120.2, 16), (132.6, 20), (144, 12), (144.4, 20), (156.1, 12)),
    lane("metric", (1.8, None), (110.740432, 8), (155.763316, 4)),
    lane("desired", (0, 0), (16.87258, 1), (110.704283, 4), (125.72994, 5)),
    lane("current", (0, 0), (16.950481, 1), (110.819634, 4), (125.811002, 5)),
    lane("ready", (0, 0), (27.019434, 1), (120.558684, 2), (121.2, 4), (135.901506, 5)),
    lane("slots", (0, 0), (22.1, 4), (117.1, 8), (117.4, 16), (131.2, 20)),
    lane("slots_used", (0, 0), *_BATCHES, (120.2, 16), (132.6, 20), (144, 12), (144.4, 20), (156.1, 12)),
)  # fmt: skip
CHART = Chart(
    target=TARGET,
    start=START,
    end=END,
    lanes=LANES,
    health=(span(16.87258, 110.740432, "failing", FAILED), span(110.740432, 163.824536, "ok")),
    constraint=(
        span(16.613115, 16.695178, "scheduler_latency"),
        span(16.695178, 16.87258, "activation_latency"),
        span(16.87258, 110.740432, "external_metric_timeout"),
        span(110.740432, 125.72994, "activation_latency"),
        span(125.72994, 145.581911, "max_replicas_ceiling"),
        span(145.581911, 148.816293, "pickup_latency"),
    ),
    gaps=(),
    ticks=(
        Tick(at(16.87258), "decision", "0 -> 1 by keda"),
        *(
            Tick(at(59.103632), "warning", f"FailedGetExternalMetric keda-hpa-analytics-worker: {FAILED}")
            for _ in range(2)
        ),
        Tick(at(65.1), "warning", f"FailedGetExternalMetric keda-hpa-analytics-worker: {FAILED}"),
        Tick(at(110.704283), "decision", "1 -> 4 by hpa"),
        Tick(at(125.72994), "decision", "4 -> 5 by hpa"),
    ),
)
QUIET = Chart(
    "airflow/etl-worker", START, END, tuple(lane(each.name, (0, 0)) for each in LANES), (), (), (), ()
)  # a second target, on which nothing happens

EVENT = Evidence("events", at(59.103632), "airflow/keda-hpa-analytics-worker", FAILED)
HPA = Evidence("hpas", at(59.9), "airflow/keda-hpa-analytics-worker", "ScalingActive is False: FailedGetExternalMetric")
BEAT = Evidence("scaledobjects", at(75.2), TARGET, "lastActiveTime moved on: the operator polls")
TIMEOUT = Finding(
    id="external_metric_timeout:keda-metrics-apiserver",
    cause="external_metric_timeout",
    stage="metric",
    component="keda-metrics-apiserver",
    target=TARGET,
    subject=TARGET,
    severity=Severity.CRITICAL,
    role=Role.ROOT_CAUSE,
    title=f"The HPA of {TARGET} got no metric for 94 s: keda-metrics-apiserver did not answer",
    detail="6 failed requests on record. The operator kept polling the database. Meanwhile the HPA keeps the last size.",
    remedy="Look at the keda-metrics-apiserver pod: hang, OOM, CPU throttling; restart it.",
    docs="docs/causes/external_metric_timeout.md",
    started_at=at(16.87258),
    ended_at=at(110.740432),
    confidence=0.9,
    cost=Cost(waiting_task_seconds=3630.3),
    evidence=(EVENT, HPA),
    counter_evidence=(BEAT,),
)
CEILING = msgspec.structs.replace(
    TIMEOUT,
    id="max_replicas_ceiling:autoscaler-settings",
    cause="max_replicas_ceiling",
    stage="decide",
    component="autoscaler-settings",
    severity=Severity.HIGH,
    role=Role.CONTRIBUTING,
    title=f"{TARGET} is at maxReplicaCount 5 while up to 19 tasks wait for a slot",
    detail="All 5 workers that maxReplicaCount allows were asked for (4 slots each).",
    remedy="Raise maxReplicaCount from 5 to 8.",
    docs="docs/causes/max_replicas_ceiling.md",
    started_at=at(125.72994),
    ended_at=at(145.581911),
    cost=Cost(waiting_task_seconds=236.4),
    evidence=(Evidence("workloads", at(125.72994), TARGET, "spec.replicas = 5 = maxReplicaCount"),),
    counter_evidence=(),
)
WAITING = msgspec.structs.replace(
    CEILING,
    id="replicas_below_demand:workload",
    cause="replicas_below_demand",
    stage="metric",
    component="workload",
    severity=Severity.MEDIUM,
    role=Role.SYMPTOM,
    title="1 worker where 8 were needed",
    detail="",
    remedy="",
    docs="",
    started_at=at(22.1),
    ended_at=at(110.7),
    cost=Cost(),
    explained_by=(TIMEOUT.id,),
)
VERDICT = Verdict(
    healthy=False,
    summary=f"{TIMEOUT.title}. Since 20:09:56 UTC; it cost 3630 of 4396 task-seconds of waiting (83 %).",
    root_causes=("external_metric_timeout",),
    components=(
        ComponentRuling("keda-metrics-apiserver", TARGET, Ruling.GUILTY, TIMEOUT.title, (EVENT,)),
        ComponentRuling("keda-operator", TARGET, Ruling.NOT_GUILTY, "it polled 30 times, at most 5 s apart", (BEAT,)),
        ComponentRuling("hpa", TARGET, Ruling.NOT_GUILTY, "it kept asking and kept its size as it must", (HPA,)),
        ComponentRuling("dag-processor", "", Ruling.NOT_ASSESSED, "no source tells"),
        ComponentRuling("triggerer", "", Ruling.NOT_ASSESSED, "no source tells"),
    ),
    conditions=(
        Condition("scheduler_fills_table", True, "48 tasks were queued, 0.6 s after they could run (median)"),
        Condition("metric_path_answers", False, TIMEOUT.title),
        Condition("query_matches_tasks", None, "the query is not on record"),
    ),
)
ANALYSIS = Analysis(
    capture=CaptureInfo("case", START, END, "prod-eu", {"events": Source(SourceState.OK)}),
    targets=({"target": TARGET}, {"target": QUIET.target}),
    verdict=VERDICT,
    findings=(TIMEOUT, CEILING, WAITING),
    not_assessed=(NotAssessed("broker_unavailable", ("log_lines",)),),
    gaps=(),
)


class NoLook:
    """A capture of which nothing is known beside its analysis."""

    def listing(self, ask: Ask, stop: Stop | None = None) -> Listing:
        return Listing(ask, ("text",), 0, 1, (), ())

    def longer(self, listing: Listing, stop: Stop | None = None) -> Listing:
        return listing

    def lines(self, listing: Listing, first: int, count: int, stop: Stop | None = None) -> list[Line]:
        return []

    def row_at(self, listing: Listing, at: int, stop: Stop | None = None) -> int:
        return 0

    def hits(self, listing: Listing, text: str, stop: Stop | None = None) -> tuple[int, ...]:
        return ()

    def next_hit(
        self, listing: Listing, hits: Sequence[int], text: str, row: int, step: int, stop: Stop | None = None
    ) -> int | None:
        return None

    def wait_groups(self, by: str, target: str, start: int, end: int, stop: Stop | None = None) -> list[WaitGroup]:
        return []

    def wait_attempts(
        self, by: str, name: str, target: str, start: int, end: int, stop: Stop | None = None
    ) -> list[WaitedAttempt]:
        return []

    def pods(self, target: str, stop: Stop | None = None) -> list[PodLife]:
        return []

    def scaling(self, target: str, stop: Stop | None = None) -> list[Scaling]:
        return []

    def limits(self, at: int, stop: Stop | None = None) -> list[Limit]:
        return []

    def sources(self) -> list[SourceLine]:
        return []

    def damage(self) -> tuple[str, ...]:
        return ()

    def left_out(self) -> tuple[str, ...]:
        return ()

    def costs(self, start: int, end: int, stop: Stop | None = None) -> Chart:
        return Chart("", start, end, (), (), (), (), ())

    def query(self, sql: str, span: tuple[int, int] | None = None, stop: Stop | None = None) -> Answer:
        return Answer((), (), cut=False)

    def export(self, sql: str, out: Path, span: tuple[int, int] | None = None, stop: Stop | None = None) -> int:
        return 0

    def cut(self, out: Path, start: int, end: int) -> int:
        return 0


class Case:
    """A CaseFile of plain values; `asked` is the evidence whose rows were wanted."""

    def __init__(self, analysis: Analysis = ANALYSIS, charts: Sequence[Chart] = (CHART, QUIET)) -> None:
        self.analysis, self.charts = analysis, tuple(charts)
        self.asked: list[Evidence] = []
        self.look = NoLook()

    def rows(self, evidence: Evidence, limit: int = 200) -> RowPage:
        self.asked.append(evidence)
        columns = ("ts", "reason", "host", "message")
        rows = [
            (f"20:10:{second:02d}", "Pulled" if second % 2 else "Scheduled", "", f"row {second}")
            for second in range(40)
        ]
        rows[38] = ("20:10:38", "FailedGetExternalMetric", "", evidence.text)
        return RowPage(evidence.table, columns, tuple(rows[:limit]), 38)

    def cause_title(self, cause: str) -> str:
        return cause.replace("_", " ")
