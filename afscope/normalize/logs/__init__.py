"""Log lines whose pattern is known, to rows of `log_lines`. Everything else stays where it is."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from afscope.model.clock import Micros
from afscope.model.row import ADDED, Row
from afscope.normalize.logs.envelope import open_line
from afscope.normalize.logs.patterns import match
from afscope.normalize.redact import Redactor

# Longer lines hold dumps, not diagnoses; of a known line this much is kept.
MAX_LINE, MAX_TEXT = 64 << 10, 1000
_COMPONENTS = ("scheduler", "worker", "triggerer", "dag-processor", "api-server", "webserver")
_OTHERS = ("keda-operator", "keda-metrics-apiserver", "kube-controller-manager", "kube-scheduler")


def component_of(file_name: str) -> tuple[str, str | None]:
    """(component, pod) of a log by its file name: pod.<pod>.log, keda-operator.log, task.….log, each maybe .gz."""
    name = re.sub(r"\.log(\.gz)?$", "", file_name)
    if name.startswith("task."):
        return "task", None
    pod = name.removeprefix("pod.") if name.startswith("pod.") else None
    known = next((c for c in (*_OTHERS, *_COMPONENTS) if re.search(rf"(?:^|-){c}(?:-|$)", pod or name)), None)
    return known or (pod and "pod") or name, pod


def is_log(lines: Iterable[bytes]) -> bool:
    """Whether one of the lines has an envelope with a time."""
    return any(open_line(line.decode("utf-8", "replace"), 0).ts is not None for line in lines)


class LogNormalizer:
    """Reads the lines of one container. A line without a time of its own has that of the line before it."""

    def __init__(self, redactor: Redactor, day_hint: Micros) -> None:
        self._redactor = redactor
        self._day_hint = day_hint

    def lines(
        self, lines: Iterable[str | bytes], *, component: str, pod: str | None, container: str | None, source: str
    ) -> Iterator[Row]:
        """The rows of known lines, in the order of the lines. What comes before the first time gets that first time."""
        fixed: dict[str, Any] = {"component": component, "pod": pod, "container": container, "source": source}
        untimed: list[dict[str, Any]] = []
        last: Micros | None = None
        for number, raw in enumerate(lines, start=1):
            text = raw[:MAX_LINE].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:MAX_LINE]
            line = open_line(text, self._day_hint)
            if line.ts is not None:
                last = line.ts
                yield from (self._row(values, last) for values in untimed)
                untimed.clear()
            known = match(line.message)
            if known is None:
                continue
            values = {**fixed, "line": number, "level": line.level, **self._known(*known, line.message)}
            if last is None:
                untimed.append(values)
            else:
                yield self._row(values, last)
        yield from (self._row(values, self._day_hint) for values in untimed)

    def _known(self, pattern: str, fields: dict[str, str], message: str) -> dict[str, Any]:
        redacted = {name: self._redactor.text(value) for name, value in fields.items()}
        return {
            "pattern": pattern,
            "fields": json.dumps(redacted, ensure_ascii=False),
            "text": self._redactor.text(message)[:MAX_TEXT],
        }

    @staticmethod
    def _row(values: dict[str, Any], ts: Micros) -> Row:
        return Row("log_lines", {**values, "ts": ts, "seen_at": ts, "change": ADDED})
