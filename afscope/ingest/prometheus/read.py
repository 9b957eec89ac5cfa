"""The forms in which samples come: JSON of the HTTP API and of promtool, OpenMetrics, Prometheus' text, tsdb dumps."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from afscope.ingest.lines import lines, open_bytes
from afscope.ingest.prometheus.series import Series
from afscope.ingest.sink import Findings
from afscope.model.clock import SECOND, Micros, rfc3339

_ANSWER = re.compile(
    rb'\s*(?:\{\s*"status"\s*:\s*"(?:success|error)"|\{\s*"data"\s*:\s*\{\s*"resultType"|\{\s*"resultType"|\[\s*\{\s*"metric"\s*:)'
)
_LINE = re.compile(
    r'(?P<name>[a-zA-Z_:][\w:]*)?(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(?P<value>[^\s#]+)(?:\s+(?P<at>[-+\d.eE]+))?\s*(?:#.*)?'
)
_LABEL = re.compile(r'\s*,?\s*"?([a-zA-Z_][\w.]*)"?\s*=\s*"((?:[^"\\]|\\.)*)"')
_COMMENT = re.compile(r"# (?:HELP|TYPE|UNIT) [a-zA-Z_:]|# EOF")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
# An answer is decoded as a whole.
MAX_ANSWER = 512 << 20
_MAX_LINE = 1 << 20
_LOOKED_AT = 5
# Seconds beyond this are milliseconds (the year 5138).
_SECONDS = 1e11


class _Data(msgspec.Struct):
    resultType: str = ""  # noqa: N815  (the API's own word)
    result: list[dict[str, Any]] = []


class _Answer(msgspec.Struct):
    status: str = "success"
    error: str = ""
    data: _Data | None = None
    resultType: str = ""  # noqa: N815  (promtool and Grafana leave the envelope out)
    result: list[dict[str, Any]] = []


_ANSWERS = msgspec.json.Decoder(_Answer)
_BARE = msgspec.json.Decoder(list[dict[str, Any]])


def sniff(path: Path) -> bool:
    """Whether a file is an answer of Prometheus, or a page of metrics."""
    try:
        with open_bytes(path) as handle:
            if _ANSWER.match(handle.read(512)):
                return True
    except (OSError, EOFError):
        return False
    for number, line in lines(path, lambda _: None):
        text = line[:4096].decode("utf-8", "replace")
        if _COMMENT.match(text):
            return True
        match = _LINE.fullmatch(text) if len(line) < 4096 else None
        if match is not None and match["labels"] is not None and _number(match["value"]) is not None:
            return True
        if number >= _LOOKED_AT:
            return False
    return False


def load(path: Path, series: Series, found: Findings) -> None:
    """Puts all samples of a file into `series`."""
    with open_bytes(path) as handle:
        is_json = bool(_ANSWER.match(handle.read(512)))
    if is_json:
        _answer(path, series, found)
    else:
        _page(path, series, found)


def _answer(path: Path, series: Series, found: Findings) -> None:
    try:
        with open_bytes(path) as handle:
            raw = handle.read(MAX_ANSWER + 1)
        if len(raw) > MAX_ANSWER:
            found.note(f"{path}: an answer of more than {MAX_ANSWER >> 20} MiB: ask for a shorter range at a time")
            return
        answer = _Answer(result=_BARE.decode(raw)) if raw.lstrip().startswith(b"[") else _ANSWERS.decode(raw)
    except (OSError, EOFError, msgspec.DecodeError, UnicodeDecodeError) as error:
        found.note(f"{path}: no whole answer of Prometheus: {error}")
        return
    if answer.status != "success":
        found.note(f"{path}: Prometheus answered with an error: {found.redactor.text(answer.error)[:200]}")
    results = answer.data.result if answer.data else answer.result
    for number, one in enumerate(results, start=1):
        if not _result(one, series):
            found.note(f"{path}: result {number} has no values")


def _result(one: dict[str, Any], series: Series) -> bool:
    metric = one.get("metric")
    values = one.get("values") or ([one["value"]] if isinstance(one.get("value"), list) else [])
    if not isinstance(metric, dict) or not isinstance(values, list) or not values:
        return False
    labels = {str(key): str(value) for key, value in metric.items() if key != "__name__"}
    number = series.open(str(metric.get("__name__", "")), labels)
    before: Micros | None = None
    for pair in values:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], int | float):
            return False
        value = _number(str(pair[1]))
        at = round(pair[0] * SECOND)
        if value is not None:
            series.put(number, at, value)
            series.spaced(at - before if before is not None else 0)
            before = at
    return True


def _page(path: Path, series: Series, found: Findings) -> None:
    """Lines of text. Without times they are of one scrape, which is dated by the file."""
    date = int(path.stat().st_mtime) * SECOND
    undated = 0
    last: dict[int, Micros] = {}
    open_metrics = _is_open_metrics(path)
    for number, line in lines(path, found.note):
        if line.startswith(b"#"):
            continue
        read = _sample(line)
        if read is None:
            found.note(f"{path}:{number}: no sample")
            continue
        name, labels, value, when = read
        at = date
        if when is not None:
            at = round(when * SECOND) if open_metrics and when < _SECONDS else round(when * 1000)
        undated += when is None
        series_number = series.open(name, labels)
        series.put(series_number, at, value)
        series.spaced(at - last.get(series_number, at))
        last[series_number] = at
    if undated:
        found.notes.append(f"{path}: {undated} samples without a time are dated by the file, {rfc3339(date)}")


def _is_open_metrics(path: Path) -> bool:
    """OpenMetrics has seconds where Prometheus' own text has milliseconds; it ends with # EOF."""
    return any(line.startswith(b"# EOF") for line in _comments(path))


def _comments(path: Path) -> Iterator[bytes]:
    return (line for _, line in lines(path, lambda _: None) if line.startswith(b"#"))


def _sample(line: bytes) -> tuple[str, dict[str, str], float, float | None] | None:
    if len(line) > _MAX_LINE:
        return None
    match = _LINE.fullmatch(line.decode("utf-8", "replace"))
    value = _number(match["value"]) if match else None
    if match is None or value is None:
        return None
    labels = {
        key: re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text)
        for key, text in _LABEL.findall(match["labels"] or "")
    }
    name = match["name"] or labels.pop("__name__", "")
    return (name, labels, value, _number(match["at"]) if match["at"] else None) if name else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
