"""Takes the envelope off a log line: its time, its level, and the message that patterns are about.

Forms: Airflow 2.x and 3.0, Celery, structlog console (3.1 on), gunicorn, zap console, klog, JSON of structlog, zap and
task logs; before any of them a prefix of docker or CRI. Lines without an envelope are messages as they stand.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from afscope.model.clock import Micros, from_datetime, parse_time, to_datetime

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CRI = re.compile(r"(?P<ts>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) [FP] (?P<rest>.*)", re.S)
_AIRFLOW = re.compile(r"\[(?P<ts>\d{4}-\d\d-\d\dT[\d:.]+[+-]\d{4})\] \{[^}]*\} (?P<lvl>[A-Z]+) - (?P<msg>.*)", re.S)
_CELERY = re.compile(r"\[(?P<ts>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}): (?P<lvl>[A-Z]+)/[^\]]+\] (?P<msg>.*)", re.S)
_GUNICORN = re.compile(
    r"\[(?P<ts>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] \[\d+\] \[(?P<lvl>[A-Z]+)\] (?P<msg>.*)", re.S
)
_STRUCTLOG = re.compile(r"(?P<ts>\d{4}-\d\d-\d\dT[\d:.]+Z) \[(?P<lvl>\w+)\s*\] (?P<msg>.*)", re.S)
_ZAP = re.compile(
    r"(?P<ts>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))\t(?P<lvl>[A-Z]+(?:\(-?\d+\))?)\t(?P<msg>.*)", re.S
)
_KLOG = re.compile(
    r"(?P<lvl>[IWEF])(?P<month>\d\d)(?P<day>\d\d) (?P<ts>\d\d:\d\d:\d\d\.\d{6})\s+\d+ [^\]]+\] (?P<msg>.*)", re.S
)
_DATED = (_AIRFLOW, _CELERY, _GUNICORN, _STRUCTLOG, _ZAP)
_KLOG_LEVELS = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}


# structlog's console renderer: the event padded to 30, [logger], then sorted k=v pairs
_LOGGER = re.compile(r"(?P<msg>.*\S)\s+(?P<tail>\[[\w.:]+\](?: [\w.]+=.*)?)", re.S)
_PAIR = re.compile(r"(?:^|\s)([\w.]+)=('[^']*'|\"[^\"]*\"|\S+)")
_CONTEXT = ("dag_id", "run_id", "task_id", "map_index", "try_number", "ti_id", "hostname", "exit_code", "signal_name")
_LEVELS = {"WARN": "WARNING", "DPANIC": "CRITICAL", "PANIC": "CRITICAL"}


class Line(NamedTuple):
    """A line without its envelope; `ts` is None where it has no time of its own.

    The message of a JSON line is what structlog's console would show: event, [logger], key=value of the context.
    """

    ts: Micros | None
    level: str | None
    message: str


def event_of(message: str) -> tuple[str, dict[str, str]]:
    """The event of a message without its logger, and the pairs that say which task it is about."""
    match = _LOGGER.fullmatch(message)
    if match is None:
        return message, {}
    return match["msg"], {key: value.strip("'\"") for key, value in _PAIR.findall(match["tail"]) if key in _CONTEXT}


def open_line(text: str, day_hint: Micros) -> Line:
    """Takes the envelope off; `day_hint` supplies the year that klog does not write."""
    text = _ANSI.sub("", text) if "\x1b" in text else text
    cri = _CRI.match(text) if text[:4].isdigit() else None
    outer = _time(cri["ts"]) if cri else None
    line = _inner(cri["rest"] if cri else text, day_hint)
    return line if line.ts is not None or outer is None else line._replace(ts=outer)


def _inner(text: str, day_hint: Micros) -> Line:
    if text.startswith("{"):
        return _json(text, day_hint) or Line(None, None, text)
    for form in _DATED:
        match = form.match(text)
        if match:
            return Line(_time(match["ts"]), _level(match["lvl"]), match["msg"])
    match = _KLOG.match(text)
    if match:
        return Line(_klog_time(match, day_hint), _KLOG_LEVELS[match["lvl"]], match["msg"])
    return Line(None, None, text)


def _json(text: str, day_hint: Micros) -> Line | None:
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    if isinstance(fields.get("log"), str) and "stream" in fields:  # docker's json-file
        line = open_line(fields["log"].rstrip("\n"), day_hint)
        return line if line.ts is not None else line._replace(ts=_time(fields.get("time")))
    message = next((fields[k] for k in ("event", "msg", "message") if isinstance(fields.get(k), str)), None)
    if message is None:
        return None
    at = _time(fields.get("timestamp") or fields.get("ts") or fields.get("time"))
    return Line(at, _level(fields.get("level")), " ".join([": ".join([message, *_errors(fields)]), *_tail(fields)]))


def _errors(fields: dict[str, Any]) -> list[str]:
    """What went wrong: zap's error, or of each exception its type and value; frames are for programmers."""
    error, details = fields.get("error"), fields.get("error_detail")
    found = [error] if isinstance(error, str) and error else []
    exceptions = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return found + [f"{detail.get('exc_type')}: {detail.get('exc_value')}" for detail in exceptions]


def _tail(fields: dict[str, Any]) -> list[str]:
    if not isinstance(fields.get("logger"), str):
        return []
    pairs = [f"{key}={fields[key]!r}" for key in _CONTEXT if isinstance(fields.get(key), str | int)]
    return [f"[{fields['logger']}]", *pairs]


def _level(value: Any) -> str | None:
    return _LEVELS.get(value.upper(), value.upper()) if isinstance(value, str) else None


def _time(value: Any) -> Micros | None:
    if isinstance(value, int | float):  # zap's epoch encoder: seconds
        return round(value * 1_000_000)
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def _klog_time(match: re.Match[str], day_hint: Micros) -> Micros | None:
    """klog writes no year and no zone: the year that brings it next to the hint, and UTC."""
    hint = to_datetime(day_hint)
    times = []
    for year in (hint.year - 1, hint.year, hint.year + 1):
        try:
            day = datetime(year, int(match["month"]), int(match["day"]), tzinfo=UTC)
        except ValueError:
            continue
        times.append(parse_time(f"{day:%Y-%m-%d}T{match['ts']}Z"))
    return min(times, key=lambda at: abs(at - from_datetime(hint)), default=None)
