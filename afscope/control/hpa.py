"""What the HPA controller works with, as frozen values: the spec, the flags, and what one sync sees.

Read these from the HPA object, not from the ScaledObject: the HPA carries what the API server defaulted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from afscope.control.quantity import milli, parse_quantity

INT32_MAX = 2**31 - 1
SYNC_PERIOD_S = 15
"""`--horizontal-pod-autoscaler-sync-period` (podautoscaler/config/v1alpha1/defaults.go:40)."""


class TargetKind(StrEnum):
    """How a metric's target is meant. KEDA's default is AverageValue."""

    AVERAGE_VALUE = "AverageValue"
    VALUE = "Value"


class PolicyKind(StrEnum):
    """What a scaling policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies holds; Disabled forbids the direction."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class Metric:
    """One external metric of an HPA; `labels` are its selector's matchLabels, None without a selector."""

    name: str
    target_milli: int
    kind: TargetKind = TargetKind.AVERAGE_VALUE
    labels: tuple[tuple[str, str], ...] | None = ()

    def described(self) -> str:
        """The metric as the controller words it in events and conditions (horizontal.go, `%+v` of the selector)."""
        if self.labels is None:
            return f"external metric {self.name}(nil)"
        pairs = "".join(f"{key}: {value}," for key, value in sorted(self.labels))
        return (
            f"external metric {self.name}(&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
            "MatchExpressions:[]LabelSelectorRequirement{},})"
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `value` pods (or percent of the pods at the period's start) within `period_s` seconds."""

    kind: PolicyKind
    value: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a behavior, defaulted; window and tolerance None mean the controller's flag."""

    policies: tuple[Policy, ...]
    select: Select = Select.MAX
    window_s: int | None = None
    tolerance: float | None = None

    @property
    def longest_period_s(self) -> int:
        """The longest period of the policies, in seconds."""
        return max((policy.period_s for policy in self.policies), default=0)


_UP = Rules((Policy(PolicyKind.PODS, 4, 15), Policy(PolicyKind.PERCENT, 100, 15)), window_s=0)
_DOWN = Rules((Policy(PolicyKind.PERCENT, 100, 15),))


@dataclass(frozen=True, slots=True)
class Behavior:
    """Both directions. An HPA without a behavior follows other rules than one with an empty behavior."""

    up: Rules = _UP
    down: Rules = _DOWN


def behavior_from(raw: Mapping[str, Any] | None) -> Behavior | None:
    """`spec.behavior` with the API server's defaults filled in; None stays None.

    Each field that is given replaces the default, a list of policies as a whole
    (k8s.io/kubernetes, pkg/apis/autoscaling/v2/defaults.go:27-65).
    """
    if raw is None:
        return None
    return Behavior(_rules_from(raw.get("scaleUp"), _UP), _rules_from(raw.get("scaleDown"), _DOWN))


def _rules_from(raw: Mapping[str, Any] | None, default: Rules) -> Rules:
    given = raw or {}
    policies = given.get("policies")
    window, tolerance, select = (given.get(key) for key in ("stabilizationWindowSeconds", "tolerance", "selectPolicy"))
    return Rules(
        default.policies if policies is None else tuple(_policy_from(policy) for policy in policies),
        default.select if select is None else Select(select),
        default.window_s if window is None else int(window),
        None if tolerance is None else float(parse_quantity(str(tolerance))),
    )


def _policy_from(raw: Mapping[str, Any]) -> Policy:
    return Policy(PolicyKind(raw["type"]), int(raw["value"]), int(raw["periodSeconds"]))


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Fractions by which the usage ratio may leave 1 without a change, per direction."""

    down: float = 0.1
    up: float = 0.1

    def covers(self, ratio: float) -> bool:
        """Both ends included, in floats as the controller computes it; NaN and infinity never are."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Controller:
    """Flags of kube-controller-manager; defaults of podautoscaler/config/v1alpha1/defaults.go:37-52."""

    tolerance: float = 0.1
    downscale_window_s: int = 300


@dataclass(frozen=True, slots=True)
class HpaSpec:
    """The spec of an HPA as its controller sees it."""

    max_replicas: int
    metrics: tuple[Metric, ...]
    min_replicas: int = 1
    behavior: Behavior | None = None

    def tolerances(self, controller: Controller) -> Tolerances:
        """Per direction: the behavior's where it sets one, else the flag's (horizontal.go:1514-1528)."""
        up = self.behavior.up.tolerance if self.behavior else None
        down = self.behavior.down.tolerance if self.behavior else None
        return Tolerances(
            controller.tolerance if down is None else down,
            controller.tolerance if up is None else up,
        )


def hpa_spec_from(raw: Mapping[str, Any]) -> HpaSpec:
    """`spec` of an autoscaling/v2 HPA whose metrics are all external, as KEDA makes them.

    Raises ValueError for another kind of metric (cpu and memory need what pods use, which is not modelled) and for a
    target that the API server would refuse.
    """
    return HpaSpec(
        int(raw["maxReplicas"]),
        tuple(_metric_from(metric) for metric in raw.get("metrics") or ()),
        int(raw.get("minReplicas") or 1),
        behavior_from(raw.get("behavior")),
    )


def _metric_from(raw: Mapping[str, Any]) -> Metric:
    external = raw.get("external")
    if not external:
        raise ValueError(f"not an external metric: {raw.get('type')!r}")
    target, selector = external["target"], external["metric"].get("selector")
    kind = TargetKind(target["type"])
    amount = target["averageValue" if kind is TargetKind.AVERAGE_VALUE else "value"]
    labels = None if selector is None else tuple(sorted((selector.get("matchLabels") or {}).items()))
    target_milli = milli(str(amount))
    if target_milli <= 0:
        raise ValueError(f"a target must be positive: {amount!r}")
    return Metric(external["metric"]["name"], target_milli, kind, labels)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one sync sees.

    `readings` are the totals of the metrics in milli, in the spec's order, None for one that failed.
    `ready_pods` and `pods` matter to Value metrics only; None stands for status.replicas.
    `write_ok` is False when the API server refuses the write.
    """

    spec_replicas: int
    status_replicas: int
    readings: Sequence[int | None]
    ready_pods: int | None = None
    pods: int | None = None
    write_ok: bool = True
