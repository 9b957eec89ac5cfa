"""What workload controllers, the scheduler, kubelets and node autoscalers say in events, parsed.

Texts: Kubernetes 1.36 (pkg/controller/{deployment,replicaset,statefulset}, pkg/scheduler/framework/types.go,
pkg/kubelet/images), with the older forms that other control planes still send. A parser answers None for a text that
is not its own.
"""

import re
from dataclasses import dataclass

from afscope.control.messages import uncombined
from afscope.model.clock import Micros

_GO_UNITS = {"h": 3.6e9, "m": 6e7, "s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ns": 1e-3}
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|μs|ns|m|s)")
_GO_DURATION = re.compile(rf"[+-]?(?:(?:{_GO_PART.pattern})+|0)")


def go_duration(text: str) -> Micros | None:
    """A Go duration such as `1m2.5s` or `345ms` in microseconds, rounded; None when it is none."""
    if _GO_DURATION.fullmatch(text) is None:
        return None
    total = sum(float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(text))
    return round(-total if text.startswith("-") else total)


@dataclass(frozen=True, slots=True)
class Pull:
    """A finished pull: the pull alone, and with the wait for its turn (None where an old kubelet does not say)."""

    image: str
    pull_us: Micros
    total_us: Micros | None
    size_bytes: int | None
    cached: bool = False


_PULLED = re.compile(
    r'Successfully pulled image "(?P<image>[^"]+)" in (?P<pull>[^\s(]+?)(?: \((?P<total>\S+) including waiting\))?'
    r"(?:\. Image size: (?P<size>\d+) bytes\.)?"
)
_CACHED = re.compile(
    r'Container image "(?P<image>[^"]+)" already present on machine(?: and can be accessed by the pod)?'
)


def pulled(text: str) -> Pull | None:
    """The message of Pulled; an image that was there already took no time."""
    if cached := _CACHED.fullmatch(text):
        return Pull(cached["image"], 0, 0, None, cached=True)
    match = _PULLED.fullmatch(text)
    pull = go_duration(match["pull"]) if match else None
    if match is None or pull is None:
        return None
    size = match["size"]
    return Pull(match["image"], pull, go_duration(match["total"] or ""), int(size) if size else None)


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """A FailedScheduling of kube-scheduler.

    `reasons` are counts of nodes per reason; they can add up to more than `nodes`. `prefilter` is the text that
    stands there instead when no node was even looked at. `truncated` tells of a text cut at 1024 characters.
    """

    nodes: int
    reasons: tuple[tuple[int, str], ...]
    prefilter: str = ""
    preemption: str = ""
    truncated: bool = False


_NODES = re.compile(r"0/(?P<nodes>\d+) nodes are available: (?P<rest>.*)", re.DOTALL)
_PREEMPTION = re.compile(r"[ ,]*\bpreemption: (?P<text>.*)", re.DOTALL)


def unschedulable(text: str) -> Unschedulable | None:
    """The message of FailedScheduling, or of a pod's PodScheduled condition; None for Karpenter's own text."""
    match = _NODES.match(uncombined(text).strip())
    if match is None:
        return None
    rest = match["rest"].strip()
    truncated = rest.endswith("...")
    rest = rest.removesuffix("...").rstrip()
    preemption = _PREEMPTION.search(rest)
    if preemption:
        rest = rest[: preemption.start()]
    # Sentences of other plugins may follow the list; a dot inside a name is never followed by a space.
    filters = re.split(r"\.(?:\s|$)", rest, maxsplit=1)[0]
    items = tuple(_counted(item) for item in re.split(r", (?=\d+ )", filters))
    reasons = tuple(item for item in items if item is not None)
    return Unschedulable(
        int(match["nodes"]),
        reasons,
        "" if reasons else filters,
        preemption["text"].strip() if preemption else "",
        truncated,
    )


def _counted(item: str) -> tuple[int, str] | None:
    match = re.fullmatch(r"(\d+) (.+)", item.strip(), re.DOTALL)
    return (int(match[1]), match[2].strip()) if match else None


@dataclass(frozen=True, slots=True)
class QuotaRefusal:
    """A pod that a ResourceQuota refused: amounts by resource, as quantities. `missing` names what a pod must specify.

    Several quotas may refuse one pod; this is the first.
    """

    quota: str
    requested: dict[str, str]
    used: dict[str, str]
    limited: dict[str, str]
    missing: str = ""


_EXCEEDED = re.compile(
    r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S*), used: (?P<used>\S*), limited: (?P<limited>\S*)"
)
_MUST_SPECIFY = re.compile(r"failed quota: (?P<quota>[^:\s]+): must specify (?P<missing>.*)", re.DOTALL)
_INSUFFICIENT = re.compile(r"insufficient quota to consume: (?P<missing>.*)", re.DOTALL)


def quota_refusal(text: str) -> QuotaRefusal | None:
    """The refusal inside a FailedCreate message or a ReplicaFailure condition."""
    if match := _EXCEEDED.search(text):
        amounts = _amounts(match["requested"]), _amounts(match["used"]), _amounts(match["limited"])
        return QuotaRefusal(match["quota"], *amounts)
    if match := _MUST_SPECIFY.search(text):
        return QuotaRefusal(match["quota"], {}, {}, {}, match["missing"])
    if match := _INSUFFICIENT.search(text):
        return QuotaRefusal("", {}, {}, {}, match["missing"])
    return None


def _amounts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip(): amount for name, _, amount in pairs}


@dataclass(frozen=True, slots=True)
class SetScaling:
    """A Deployment's controller resized a ReplicaSet; `before` is None where an old control plane does not say."""

    up: bool
    replicaset: str
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class PodChange:
    """A ReplicaSet or StatefulSet created or deleted a pod, or failed to; `pod` is empty where the text has no name."""

    created: bool
    failed: bool
    pod: str
    error: str = ""


_SET = re.compile(
    r"Scaled (?P<way>up|down) replica set (?P<set>\S+) (?:from (?P<a>\d+) )?to (?P<to>\d+)(?: from (?P<b>\d+))?"
)
_RS_DONE = re.compile(r"(?P<way>Created|Deleted) pod: (?P<pod>\S+)")
_RS_FAILED = re.compile(r'Error (?P<way>creating|deleting): (?P<error>(?:pods "(?P<pod>[^"]*)")?.*)', re.DOTALL)
_STS = re.compile(
    r"(?P<way>[Cc]reate|[Dd]elete) Pod (?P<pod>\S+) in StatefulSet \S+ "
    r"(?:successful|(?P<failed>failed) error: (?P<error>.*))",
    re.DOTALL,
)


def set_scaling(text: str) -> SetScaling | None:
    """The message of ScalingReplicaSet, in its three forms."""
    match = _SET.fullmatch(uncombined(text))
    if match is None:
        return None
    before = match["a"] or match["b"]
    return SetScaling(match["way"] == "up", match["set"], int(before) if before else None, int(match["to"]))


def pod_change(text: str) -> PodChange | None:
    """The message of SuccessfulCreate, SuccessfulDelete, FailedCreate or FailedDelete.

    Never count pods with it: from the tenth on, texts are combined, and creation stops at the first refused batch.
    """
    text = uncombined(text)
    if match := _RS_DONE.fullmatch(text):
        return PodChange(match["way"] == "Created", False, match["pod"])
    if match := _RS_FAILED.fullmatch(text):
        return PodChange(match["way"] == "creating", True, match["pod"] or "", match["error"])
    if match := _STS.fullmatch(text):
        return PodChange(match["way"].lower() == "create", bool(match["failed"]), match["pod"], match["error"] or "")
    return None


@dataclass(frozen=True, slots=True)
class NodeGrowth:
    """A cluster-autoscaler scale-up that a pod triggered: group, its size before and after, its maximum."""

    group: str
    before: int
    after: int
    most: int


_GROWTH = re.compile(r"\{(?P<group>\S+) (?P<before>\d+)->(?P<after>\d+) \(max: (?P<most>\d+)\)\}")
_NO_GROWTH = re.compile(r"pod didn't trigger scale-up(?: \([^)]*\))?: ?(?P<reasons>.*)", re.DOTALL)


def node_growth(text: str) -> tuple[NodeGrowth, ...] | None:
    """The message of TriggeredScaleUp, one entry per node group."""
    if not uncombined(text).startswith("pod triggered scale-up"):
        return None
    return tuple(
        NodeGrowth(m["group"], int(m["before"]), int(m["after"]), int(m["most"])) for m in _GROWTH.finditer(text)
    )


def no_node_growth(text: str) -> tuple[tuple[int, str], ...] | None:
    """The message of NotTriggerScaleUp: counts of node groups per reason, perhaps none."""
    match = _NO_GROWTH.fullmatch(uncombined(text).strip())
    if match is None:
        return None
    items = (_counted(item) for item in re.split(r", (?=\d+ )", match["reasons"]))
    return tuple(item for item in items if item is not None)
