"""What KEDA and the HPA say in events and logs about their decisions, parsed.

Texts: k8s.io/kubernetes, pkg/controller/podautoscaler/horizontal.go; KEDA 2.2 to 2.20,
pkg/scaling/executor/scale_scaledobjects.go. A parser answers None for a text that is not its own.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

COMBINED = "(combined from similar events): "
"""Prefix of an event that stands for ten and more different texts (client-go, events_cache.go)."""


class RescaleReason(StrEnum):
    """Why the HPA says it wrote a size; it is chosen before windows and limits."""

    ABOVE_TARGET = "above_target"
    BELOW_TARGET = "below_target"
    ABOVE_MAX = "above_max"
    BELOW_MIN = "below_min"
    NONE = "none"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rescale:
    """A write of the HPA. `before` is known from the controller's log only; `error` is set when the write failed."""

    size: int
    reason: RescaleReason
    text: str
    metric: str = ""
    error: str = ""
    before: int | None = None
    hpa: str = ""


@dataclass(frozen=True, slots=True)
class KedaScaling:
    """KEDA's (de)activation of a target. `before` is -1 where it could not be read (failed activations only).

    `triggers` are the metrics that were active (since KEDA 2.14), `forced` tells of the force-activation annotation.
    """

    activated: bool
    failed: bool
    gvk: str
    namespace: str
    name: str
    before: int
    after: int
    triggers: tuple[str, ...] = ()
    forced: bool = False


_RESCALE = re.compile(r"New size: (?P<size>\d+); reason: (?P<reason>.*?)(?:; error: (?P<error>.*))?", re.DOTALL)
_ABOVE = re.compile(r"(?:external metric )?(?P<metric>.+?)\((?P<selector>.*)\) above target", re.DOTALL)
_KCM = re.compile(
    r'"Successfully rescaled".*? HPA="(?P<hpa>[^"]*)" currentReplicas=(?P<before>\d+) desiredReplicas=(?P<size>\d+)'
    r' reason="(?P<reason>(?:[^"\\]|\\.)*)"',
    re.DOTALL,
)
_SIZES = r"(?P<gvk>\S+) (?P<ns>[^/\s]+)/(?P<name>\S+) from (?P<before>-?\d+) to (?P<after>-?\d+)"
_ACTIVATED = re.compile(
    rf"(?P<failed>Failed to scaled? )?(?:Scaled )?{_SIZES}"
    r"(?:, triggered by (?P<triggers>.*)|, caused by (?P<forced>forced activation annotation))?",
    re.DOTALL,
)
# KEDA before 2.17 passed more values than the text had room for; Go appends them as %!(EXTRA …).
_DEACTIVATED = re.compile(rf"(?P<failed>Failed to deactivated? )?(?:Deactivated )?{_SIZES}(?:%!\(EXTRA.*)?", re.DOTALL)
_LEGACY_FAILED = re.compile(
    r"Failed to deactivated (?P<gvk>\S+) (?P<ns>[^/\s]+)/(?P<name>[^%\s]+)"
    r"%!\(EXTRA \w+=(?P<before>-?\d+), \w+=(?P<after>-?\d+)\)"
)


def uncombined(text: str) -> str:
    """The text without the prefix of combined events."""
    return text.removeprefix(COMBINED)


def rescale(text: str) -> Rescale | None:
    """The message of SuccessfulRescale or FailedRescale."""
    match = _RESCALE.fullmatch(uncombined(text).rstrip("\n"))
    if match is None:
        return None
    reason, metric = _reason(match["reason"])
    return Rescale(int(match["size"]), reason, match["reason"], metric, match["error"] or "")


def rescaled_line(text: str) -> Rescale | None:
    """A `Successfully rescaled` line of kube-controller-manager's log: the only source with both sizes."""
    match = _KCM.search(text)
    if match is None:
        return None
    words = re.sub(r"\\(.)", r"\1", match["reason"])
    reason, metric = _reason(words)
    return Rescale(int(match["size"]), reason, words, metric, "", int(match["before"]), match["hpa"])


def _reason(text: str) -> tuple[RescaleReason, str]:
    if above := _ABOVE.fullmatch(text):
        return RescaleReason.ABOVE_TARGET, above["metric"]
    known = {
        "": RescaleReason.NONE,
        "All metrics below target": RescaleReason.BELOW_TARGET,
        "Current number of replicas above Spec.MaxReplicas": RescaleReason.ABOVE_MAX,
        "Current number of replicas below Spec.MinReplicas": RescaleReason.BELOW_MIN,
    }
    return known.get(text.strip(), RescaleReason.OTHER), ""


def keda_scaling(text: str) -> KedaScaling | None:
    """The message of KEDAScaleTarget(De)activated or KEDAScaleTarget(De)activationFailed, of KEDA 2.2 to 2.20."""
    text = uncombined(text)
    if text.startswith(("Scaled ", "Failed to scale")):
        match = _ACTIVATED.fullmatch(text)
        return None if match is None else _activation(match)
    if text.startswith(("Deactivated ", "Failed to deactivate")):
        match = _LEGACY_FAILED.fullmatch(text) or _DEACTIVATED.fullmatch(text)
        failed = text.startswith("Failed")
        return None if match is None else KedaScaling(False, failed, *_sizes(match))
    return None


def _activation(match: re.Match[str]) -> KedaScaling:
    triggers = tuple(name for name in (match["triggers"] or "").split(";") if name)
    return KedaScaling(True, bool(match["failed"]), *_sizes(match), triggers, bool(match["forced"]))


def _sizes(match: re.Match[str]) -> tuple[str, str, str, int, int]:
    return match["gvk"], match["ns"], match["name"], int(match["before"]), int(match["after"])
