"""The settings that a variant may change, named as in the field, and how their text becomes values."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from afscope.control.hpa import Select, behavior_from
from afscope.errors import UsageError

POOL = "pool."


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: unit, what holds where the recording shows none, and one sentence in English and Chinese."""

    name: str
    unit: str
    default: str
    doc: str
    doc_zh: str
    parse: Callable[[str], Any] = field(repr=False)

    def text(self, lang: str) -> str:
        """The sentence in `lang`."""
        return self.doc_zh if lang == "zh" else self.doc


def _whole(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text) if re.fullmatch(r"\d{1,9}", text) else -1
        if not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return parse


def _number(least: float, most: float = 1e9) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return value

    return parse


def _word(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return parse


def _query(text: str) -> str:
    if not text.strip():
        raise ValueError("a SELECT with one number")
    return text


def _behavior(text: str) -> Mapping[str, Any] | None:
    if text in ("none", "null"):
        return None
    try:
        value = json.loads(text)
        behavior_from(value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("the JSON of spec.behavior, or none") from error
    return dict(value)


def _policies(text: str) -> list[Any]:
    try:
        value = json.loads(text)
        behavior_from({"scaleUp": {"policies": value}})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError('a JSON list such as [{"type": "Pods", "value": 4, "periodSeconds": 15}]') from error
    return list(value)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError("names with commas in between")
    return names


_SELECT = _word(*(select.value for select in Select))
_ALL = (
    Setting("maxReplicaCount", "replicas", "100", "The most workers the autoscaler may ask for.",
            "自动扩缩允许的最大 worker 数。", _whole(1)),
    Setting("minReplicaCount", "replicas", "0", "Workers that always stay; 0 scales to zero.",
            "始终保留的 worker 数；0 表示可缩到零。", _whole(0)),
    Setting("idleReplicaCount", "replicas", "unset", "Workers that stay while nothing is active; below the minimum.",
            "没有触发器活跃时保留的 worker 数；须小于最小值。", _whole(0)),
    Setting("pollingInterval", "s", "30", "How often KEDA asks while it decides between zero and one.",
            "KEDA 在零与一之间做决定时的轮询间隔。", _whole(1)),
    Setting("cooldownPeriod", "s", "300", "How long KEDA waits after the last activity before it scales to zero.",
            "最后一次活跃之后，KEDA 缩到零之前等待的时间。", _whole(0)),
    Setting("targetQueryValue", "per worker", "1", "What one worker is worth in units of the metric.",
            "每个 worker 对应的指标值。", _number(0.001)),
    Setting("activationTargetQueryValue", "value", "0", "KEDA activates when the metric is above this.",
            "指标高于此值时 KEDA 激活。", _number(0)),
    Setting("useCachedMetrics", "", "false", "Whether the HPA gets the value of KEDA's last poll.",
            "HPA 是否取 KEDA 上次轮询的值。", _word("true", "false")),
    Setting("query", "SQL", "as recorded", "The trigger's SQL over task_instance.",
            "触发器在 task_instance 上的 SQL。", _query),
    Setting("behavior", "JSON", "absent", "The HPA's behavior as a whole; none removes it.",
            "整个 HPA behavior；none 表示删除。", _behavior),
    Setting("stabilizationWindowSeconds", "s", "300", "How long the HPA remembers higher needs before it scales in.",
            "HPA 缩容前记住较高需求的时间。", _whole(0, 3600)),
    Setting("scaleDown.stabilizationWindowSeconds", "s", "300", "The same by its full name.",
            "同上（全名）。", _whole(0, 3600)),
    Setting("scaleUp.stabilizationWindowSeconds", "s", "0", "How long a need must last before the HPA scales out.",
            "HPA 扩容前需求须持续的时间。", _whole(0, 3600)),
    Setting("scaleUp.policies", "JSON", "4 pods or 100 % in 15 s", "How fast the HPA may scale out.",
            "HPA 扩容的速度。", _policies),
    Setting("scaleDown.policies", "JSON", "100 % in 15 s", "How fast the HPA may scale in.",
            "HPA 缩容的速度。", _policies),
    Setting("scaleUp.selectPolicy", "", "Max", "Which policy holds when there are several; Disabled forbids it.",
            "多个策略时取哪个；Disabled 表示禁止。", _SELECT),
    Setting("scaleDown.selectPolicy", "", "Max", "Which policy holds when there are several; Disabled forbids it.",
            "多个策略时取哪个；Disabled 表示禁止。", _SELECT),
    Setting("tolerance", "fraction", "0.1", "By how much usage may differ from the target without a change.",
            "用量偏离目标而不触发变更的比例。", _number(0, 1)),
    Setting("worker_concurrency", "slots", "16", "Tasks that one worker runs at once; the query's divisor follows.",
            "每个 worker 同时运行的任务数；查询中的除数随之改变。", _whole(1, 10_000)),
    Setting("queues", "names", "as recorded", "The queues that the workers listen to, with commas in between.",
            "worker 监听的队列，以逗号分隔。", _names),
    Setting("pod_start_s", "s", "drawn from the recording", "From a pod's creation until its worker takes tasks.",
            "从创建 Pod 到 worker 接任务的时间。", _number(0, 86_400)),
    Setting("terminationGracePeriodSeconds", "s", "as recorded", "How long a stopped worker may finish its tasks.",
            "worker 停止时可用于完成任务的时间。", _whole(0, 1_000_000)),
    Setting("sigterm", "", "as recorded", "drain: a stopped worker finishes its tasks; kill: they die at once.",
            "drain：停止的 worker 完成任务；kill：任务立即终止。", _word("drain", "kill")),
    Setting("max_pods", "pods", "as recorded", "The most worker pods that quota and nodes have room for.",
            "配额与节点可容纳的最大 worker Pod 数。", _whole(0)),
    Setting("parallelism", "tasks", "32", "[core] parallelism: tasks of one scheduler, queued and running.",
            "[core] parallelism：一个调度器排队与运行的任务数。", _whole(0)),
    Setting("max_active_tasks", "tasks", "as recorded", "Tasks of each DAG, queued and running.",
            "每个 DAG 排队与运行的任务数。", _whole(1)),
    Setting("max_active_runs", "runs", "as recorded", "Running runs of each DAG.",
            "每个 DAG 同时运行的 run 数。", _whole(1)),
    Setting(POOL + "NAME", "slots", "as recorded", "Slots of the pool NAME, such as pool.default_pool.",
            "资源池 NAME 的槽位，例如 pool.default_pool。", _whole(0)),
    Setting("timers", "", "kept", "free: the phases of the loops are drawn, as on another day; kept: as recorded.",
            "free：循环的相位随机抽取，如同另一天；kept：按记录。", _word("kept", "free")),
    Setting("faults", "", "kept", "none: as if nothing on the chain from KEDA to the HPA had failed.",
            "none：假设从 KEDA 到 HPA 的链路没有故障。", _word("kept", "none")),
)  # fmt: skip
SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _ALL}
_LOWER = {name.lower(): name for name in SETTINGS}


def parse(given: Mapping[str, str]) -> dict[str, Any]:
    """The values of one variant. Raises UsageError that names the setting and what it takes."""
    values = {name: _parse(name, text.strip()) for name, text in given.items()}
    least, most = values.get("minReplicaCount"), values.get("maxReplicaCount")
    if least is not None and most is not None and least > most:
        raise UsageError(f"minReplicaCount {least} is above maxReplicaCount {most}")
    return values


def _parse(name: str, text: str) -> Any:
    setting = SETTINGS[POOL + "NAME"] if name.startswith(POOL) and len(name) > len(POOL) else SETTINGS.get(name)
    if setting is None or name == POOL + "NAME":
        near = _LOWER.get(name.lower())
        hint = f"did you mean {near}?" if near else f"it takes: {', '.join(SETTINGS)}"
        raise UsageError(f"no setting {name!r}", hint)
    try:
        return setting.parse(text)
    except ValueError as error:
        raise UsageError(f"{name}={text!r} makes no sense", f"it takes {error}") from error


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """`name=value` texts as a mapping. Raises UsageError for a text without `=` and a name given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{text!r} is no setting", "write name=value, such as maxReplicaCount=20")
        if name.strip() in found:
            raise UsageError(f"{name.strip()} is set twice in one variant")
        found[name.strip()] = value.strip()
    return found


MOST_VARIANTS = 200


def expand(
    sets: Sequence[str] = (),
    variants: Sequence[str] = (),
    sweeps: Sequence[str] = (),
    base: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """The variants that a command line asks for.

    `base` (settings read from a file) and all of `sets` make one variant; each of `variants` ("a=1; b=2") one more, on
    top of it; `sweeps` ("a=5,10,20") multiply them. Raises UsageError.
    """
    common = {**(base or {}), **assignments(sets)}
    found = [{**common, **assignments([part for part in text.split(";") if part.strip()])} for text in variants]
    if common and (not found or not sweeps):
        found.insert(0, common)
    for sweep in sweeps:
        name, _, listed = sweep.partition("=")
        values = [value.strip() for value in listed.split(",") if value.strip()]
        if not values:
            raise UsageError(f"--sweep {sweep!r} has no values", "write --sweep maxReplicaCount=5,10,20")
        found = [{**variant, name.strip(): value} for variant in found or [common] for value in values]
    if len(found) > MOST_VARIANTS:
        raise UsageError(f"{len(found)} variants are too many", f"{MOST_VARIANTS} is the most")
    for variant in found:
        parse(variant)
    return found
