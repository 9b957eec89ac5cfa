"""What older KEDA and Kubernetes do otherwise, as far as it changes a decision.

Source: the histories of KEDA 2.0 to 2.20 and Kubernetes 1.33 to 1.36 (keda-hpa §1.4, §1.6, §1.8, §10).
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from afscope.control.hpa import HpaSpec
from afscope.control.scaledobject import ScaledObject

Version = tuple[int, int, int]
NEWEST_KEDA: Version = (2, 20, 2)
NEWEST_KUBERNETES: Version = (1, 36, 0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+].*)?")


class FallbackEra(StrEnum):
    """What a poll makes of a failing trigger with a fallback.

    WRITES (to 2.16): `fallback.replicas` goes to the scale target at the first error without an active trigger,
    whatever the threshold. METRIC_ONLY (2.17, 2.18): only the HPA gets the stand-in value: no fallback from zero.
    ACTIVATES (since 2.19): past the threshold the trigger counts as active.
    """

    WRITES = "writes"
    METRIC_ONLY = "metric_only"
    ACTIVATES = "activates"


def version_from(text: str | None) -> Version | None:
    """A version such as `2.20.1`, `v1.36` or `1.33.2-eks-abc`; None for anything else (`main`, empty)."""
    match = _VERSION.fullmatch((text or "").strip())
    return None if match is None else (int(match[1]), int(match[2]), int(match[3] or 0))


@dataclass(frozen=True, slots=True)
class Keda:
    """One version of KEDA; the defaults are the newest that was read."""

    version: Version = NEWEST_KEDA

    @property
    def fallback(self) -> FallbackEra:
        """What a failing trigger with a fallback does to a poll."""
        if self.version < (2, 17, 0):
            return FallbackEra.WRITES
        return FallbackEra.METRIC_ONLY if self.version < (2, 19, 0) else FallbackEra.ACTIVATES

    @property
    def clamps_negative(self) -> bool:
        """Whether a negative value reaches the HPA as 0; before, the HPA takes it for an overflow and asks for max."""
        return self.version >= (2, 20, 2)

    def told(self, value_milli: int) -> int:
        """What the HPA is told of a value."""
        return max(0, value_milli) if self.clamps_negative else value_milli

    def known(self, target: ScaledObject) -> ScaledObject:
        """The ScaledObject without what this version does not know."""
        since = self.version
        controls = target.controls
        if since < (2, 18, 0):
            controls = replace(controls, scale_in_paused=False, scale_out_paused=False, force_activation=False)
        if since < (2, 12, 0):
            # Only paused-replicas paused, and only by being there.
            controls = replace(controls, paused=controls.paused_replicas is not None)
        if since < (2, 7, 0):
            controls = replace(controls, paused=False, paused_replicas=None)
        return replace(
            target,
            controls=controls,
            idle_replicas=None if since < (2, 4, 0) else target.idle_replicas,
            initial_cooldown_s=0 if since < (2, 14, 0) else target.initial_cooldown_s,
            fallback=None if since < (2, 4, 0) else target.fallback,
        )

    @property
    def deletes_hpa_on_pause(self) -> bool:
        """Whether a pause deletes the HPA and its memory; from 2.7 to 2.10 the HPA was pinned to the paused size."""
        return self.version >= (2, 11, 0)


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """One version of the HPA controller. `gates` are feature gates that were turned on by hand."""

    version: Version = NEWEST_KUBERNETES
    gates: frozenset[str] = frozenset()

    @property
    def tolerance_per_hpa(self) -> bool:
        """Whether `behavior.*.tolerance` counts: behind a gate since 1.33, by default since 1.35."""
        gated = self.version >= (1, 33, 0) and "HPAConfigurableTolerance" in self.gates
        return gated or self.version >= (1, 35, 0)

    def known(self, spec: HpaSpec) -> HpaSpec:
        """The HPA's spec without what this version ignores."""
        if spec.behavior is None or self.tolerance_per_hpa:
            return spec
        up, down = (replace(rules, tolerance=None) for rules in (spec.behavior.up, spec.behavior.down))
        return replace(spec, behavior=replace(spec.behavior, up=up, down=down))
