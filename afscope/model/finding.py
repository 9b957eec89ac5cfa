"""What an analysis says: findings, rulings, conditions, the verdict."""

from enum import StrEnum
from typing import Any

import msgspec

from afscope.model.capture import Source
from afscope.model.clock import Micros

STAGES = (
    "run", "schedule", "limits", "trigger", "metric", "decide", "create",
    "place", "image", "start", "consume", "execute", "drain", "unknown",
)  # fmt: skip
"""The way of a task, in order; headers, waits and strips all use this list."""

COMPONENTS = (
    "dag", "pool", "airflow-config", "scheduler", "dag-processor", "triggerer", "api-server", "metadata-db",
    "trigger", "keda-operator", "keda-metrics-apiserver", "aggregation", "autoscaler-settings", "hpa", "workload",
    "quota", "nodes", "image", "worker", "broker", "kubernetes-pod-operator", "deployer",
)  # fmt: skip
"""Who can be guilty. Frozen: part of the JSON contract."""


class Severity(StrEnum):
    """How bad a finding is where it holds, most severe first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Role(StrEnum):
    """What a finding is to the verdict."""

    ROOT_CAUSE = "root_cause"
    CONTRIBUTING = "contributing"
    SYMPTOM = "symptom"
    OBSERVATION = "observation"


class Kind(StrEnum):
    """How a finding was made: from a cause's own proof, as a symptom, from log lines alone, or from settings."""

    CAUSE = "cause"
    SYMPTOM = "symptom"
    LOG = "log"
    LINT = "lint"


class Ruling(StrEnum):
    """What an analysis says of a component."""

    GUILTY = "guilty"
    NOT_GUILTY = "not_guilty"
    NOT_ASSESSED = "not_assessed"


class Evidence(msgspec.Struct, frozen=True):
    """A row that a person can look up: `afscope sql CAPTURE "FROM <table> WHERE ts = …"`."""

    table: str
    ts: Micros
    key: str
    text: str


class Cost(msgspec.Struct, frozen=True):
    """What a finding cost, in seconds: tasks that waited, work that was lost, pods that idled."""

    waiting_task_seconds: float = 0.0
    lost_task_seconds: float = 0.0
    idle_pod_seconds: float = 0.0


class Finding(msgspec.Struct, frozen=True):
    """One instance of a cause. `id` is unique within the analysis; `cause` is the stable id of the catalogue."""

    id: str
    cause: str
    stage: str
    component: str
    target: str
    subject: str
    severity: Severity
    role: Role
    title: str
    detail: str
    remedy: str
    docs: str
    started_at: Micros
    ended_at: Micros
    confidence: float
    cost: Cost
    evidence: tuple[Evidence, ...]
    counter_evidence: tuple[Evidence, ...] = ()
    explained_by: tuple[str, ...] = ()
    kind: Kind = Kind.CAUSE


class ComponentRuling(msgspec.Struct, frozen=True):
    """A component of the chain, for one target (empty: for the whole capture)."""

    component: str
    target: str
    ruling: Ruling
    because: str
    evidence: tuple[Evidence, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """One of the three conditions of a healthy chain; None means not assessed."""

    condition: str
    ok: bool | None
    because: str


class Verdict(msgspec.Struct, frozen=True):
    """`root_causes` are distinct cause ids, most costly first; `healthy` is None when nobody can tell."""

    healthy: bool | None
    summary: str
    root_causes: tuple[str, ...]
    components: tuple[ComponentRuling, ...]
    conditions: tuple[Condition, ...]


class NotAssessed(msgspec.Struct, frozen=True):
    """A cause that could not be looked for, and the sources that would tell."""

    cause: str
    needs: tuple[str, ...]


class MissingSource(msgspec.Struct, frozen=True):
    """A source that was not there, or only in part: the causes and components that it would settle, and how to get it.

    `source` is named as the table that it fills; `causes` are empty where only a part is missing.
    """

    source: str
    status: str
    reason: str
    causes: tuple[str, ...]
    components: tuple[str, ...]
    how: str


class Gap(msgspec.Struct, frozen=True):
    """A hole in a source."""

    source: str
    from_ts: Micros
    to_ts: Micros
    reason: str


class CaptureInfo(msgspec.Struct, frozen=True):
    """Which capture was analyzed."""

    id: str
    started_at: Micros
    ended_at: Micros
    cluster: str
    sources: dict[str, Source]


class Analysis(msgspec.Struct, frozen=True):
    """Everything `afscope analyze` says, in one language."""

    capture: CaptureInfo
    targets: tuple[dict[str, Any], ...]
    verdict: Verdict
    findings: tuple[Finding, ...]
    not_assessed: tuple[NotAssessed, ...]
    gaps: tuple[Gap, ...]
    missing: tuple[MissingSource, ...] = ()
