"""A ScaledObject as KEDA's scale loop reads it: the spec with its defaults, and the annotations that steer it.

Source: KEDA 2.20, apis/keda/v1alpha1/scaledobject_types.go and withtriggers_types.go,
pkg/scaling/executor/scale_executor.go:33-37.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from afscope.control.fallback import Fallback, fallback_from
from afscope.model.clock import Micros

POLLING_INTERVAL_S, COOLDOWN_S, MAX_REPLICAS = 30, 300, 100
_PREFIX = "autoscaling.keda.sh/"
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}  # strconv.ParseBool; what it cannot parse counts as true


@dataclass(frozen=True, slots=True)
class Controls:
    """What the annotations ask for. `paused_replicas` is the size a pause sets, None to freeze."""

    paused: bool = False
    paused_replicas: int | None = None
    scale_in_paused: bool = False
    scale_out_paused: bool = False
    force_activation: bool = False


def controls_from(annotations: Mapping[str, str] | None) -> Controls:
    """The steering annotations, which start with `autoscaling.keda.sh/`; the prefix may be missing.

    A missing one is off and any value that is no boolean is on (scaledobject_types.go:269-280). `paused-replicas`
    pauses by being there, even when its value is no number.
    """
    given = {key.removeprefix(_PREFIX): str(value) for key, value in (annotations or {}).items()}
    size = given.get("paused-replicas")

    def on(name: str) -> bool:
        return name in given and given[name] not in _FALSE

    return Controls(
        on("paused") or size is not None,
        int(size) if size is not None and size.strip().isdecimal() else None,
        on("paused-scale-in"),
        on("paused-scale-out"),
        on("force-activation"),
    )


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """`spec` with KEDA's defaults; times in seconds, `created_at` in microseconds."""

    min_replicas: int = 0
    max_replicas: int = MAX_REPLICAS
    idle_replicas: int | None = None
    polling_s: int = POLLING_INTERVAL_S
    cooldown_s: int = COOLDOWN_S
    initial_cooldown_s: int = 0
    fallback: Fallback | None = None
    controls: Controls = Controls()
    created_at: Micros = 0

    @property
    def activates_to(self) -> int:
        """The size that an activation writes; maxReplicaCount does not limit it."""
        return self.min_replicas or 1

    @property
    def rests_at(self) -> int:
        """The size that a deactivation writes."""
        return self.min_replicas if self.idle_replicas is None else self.idle_replicas

    @property
    def hpa_min(self) -> int:
        """minReplicas of the HPA that KEDA makes: never below 1."""
        return max(1, self.min_replicas)


def scaled_object_from(
    spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None, created_at: Micros = 0
) -> ScaledObject:
    """A ScaledObject's `spec` and annotations as the scale loop reads them. Raises ValueError for a bad fallback."""

    def number(name: str, default: int) -> int:
        value = spec.get(name)
        return default if value is None else int(value)

    idle = spec.get("idleReplicaCount")
    return ScaledObject(
        number("minReplicaCount", 0),
        number("maxReplicaCount", MAX_REPLICAS),
        None if idle is None else int(idle),
        number("pollingInterval", POLLING_INTERVAL_S),
        number("cooldownPeriod", COOLDOWN_S),
        number("initialCooldownPeriod", 0),
        fallback_from(spec.get("fallback")),
        controls_from(annotations),
        created_at,
    )
