"""Log lines whose pattern is known, to rows of `log_lines`. Everything else stays where it is."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from afscope.model.clock import Micros
from afscope.model.row import ADDED, Row
from afscope.normalize.logs.envelope import Line, event_of, open_line
from afscope.normalize.logs.patterns import match
from afscope.normalize.redact import Redactor

# Longer lines hold dumps, not diagnoses; of a known line this much is kept.
MAX_LINE, MAX_TEXT = 64 << 10, 1000
# Of the task instances below a line this many are named.
MAX_TASKS = 50
_LISTED = re.compile(r"\s*<TaskInstance: (?P<instance>.+?)>")
_COMPONENTS = ("scheduler", "worker", "triggerer", "dag-processor", "api-server", "webserver")
_OTHERS = ("keda-operator", "keda-metrics-apiserver", "kube-controller-manager", "kube-scheduler")


def component_of(file_name: str) -> tuple[str, str | None]:
    """(component, pod) of a log by its file name: pod.<pod>.log, keda-operator.log, task.….log, each maybe .gz."""
    name = re.sub(r"\.log(\.gz)?$", "", file_name)
    if name.startswith("task."):
        return "task", None
    pod = name.removeprefix("pod.") if name.startswith("pod.") else None
    # KEDA's Helm chart calls it keda-operator-metrics-apiserver, its plain manifests do not.
    called = (pod or name).replace("keda-operator-metrics-apiserver", "keda-metrics-apiserver")
    known = next((c for c in (*_OTHERS, *_COMPONENTS) if re.search(rf"(?:^|-){c}(?:-|$)", called)), None)
    return known or (pod and "pod") or name, pod


def is_log(lines: Iterable[bytes]) -> bool:
    """Whether one of the lines has an envelope with a time."""
    return any(open_line(line.decode("utf-8", "replace"), 0).ts is not None for line in lines)


class _Held:
    """A known line that waits for its continuation, and perhaps for the first time of its log."""

    def __init__(self, values: dict[str, Any], fields: dict[str, Any], ts: Micros | None) -> None:
        self.values = values
        self.fields = fields
        self.ts = ts

    def add(self, instance: str) -> None:
        tasks = self.fields.setdefault("tasks", [])
        if len(tasks) < MAX_TASKS:
            tasks.append(instance)

    def row(self, ts: Micros) -> Row:
        fields = json.dumps(self.fields, ensure_ascii=False)
        return Row("log_lines", {**self.values, "fields": fields, "ts": ts, "seen_at": ts, "change": ADDED})


class LogNormalizer:
    """Reads the lines of one container. A line without a time of its own has that of the line before it."""

    def __init__(self, redactor: Redactor, day_hint: Micros, *, keep_unknown: bool = False) -> None:
        """`keep_unknown` keeps lines without a known pattern, too, redacted and with pattern NULL."""
        self._redactor = redactor
        self._day_hint = day_hint
        self._unknown: tuple[str | None, dict[str, str]] | None = (None, {}) if keep_unknown else None

    def lines(
        self, lines: Iterable[str | bytes], *, component: str, pod: str | None, container: str | None, source: str
    ) -> Iterator[Row]:
        """The rows of known lines, in the order of the lines. What comes before the first time gets that first time.

        Task instances that the scheduler lists below a line become `tasks` of its fields.
        """
        fixed: dict[str, Any] = {"component": component, "pod": pod, "container": container, "source": source}
        held: list[_Held] = []
        last: Micros | None = None
        for number, raw in enumerate(lines, start=1):
            text = raw[:MAX_LINE].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:MAX_LINE]
            line = open_line(text, self._day_hint)
            listed = _LISTED.match(text) if line.ts is None else None
            if listed is not None:
                if held and held[-1].values["line"] == number - 1 - len(held[-1].fields.get("tasks", ())):
                    held[-1].add(self._redactor.text(listed["instance"]))
                continue
            if line.ts is not None:
                last = line.ts
            if last is not None:
                yield from _released(held, last)
            event, context = event_of(line.message)
            known = match(line.message, event) or (self._unknown if line.message.strip() else None)
            if known is not None:
                held.append(self._held({**fixed, "line": number, "pattern": known[0]}, line, context | known[1], last))
        yield from _released(held, last if last is not None else self._day_hint)

    def _held(self, fixed: dict[str, Any], line: Line, found: dict[str, str], ts: Micros | None) -> _Held:
        fields = {name: self._redactor.text(value) for name, value in found.items()}
        text = self._redactor.text(line.message)[:MAX_TEXT]
        return _Held({**fixed, "level": line.level, "text": text}, fields, ts)


def _released(held: list[_Held], ts: Micros) -> Iterator[Row]:
    """The rows of what waited; `ts` is for those that had no time yet."""
    for one in held:
        yield one.row(ts if one.ts is None else one.ts)
    held.clear()
