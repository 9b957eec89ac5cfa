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


class Line(NamedTuple):
    """A line without its envelope; `ts` is None where it has no time of its own."""

    ts: Micros | None
    level: str | None
    message: str


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
            return Line(_time(match["ts"]), match["lvl"].upper(), match["msg"])
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
    error = fields.get("error")
    if isinstance(error, str) and error:
        message = f"{message}: {error}"
    level = fields.get("level")
    return Line(_time(fields.get("timestamp") or fields.get("ts") or fields.get("time")), _level(level), message)


def _level(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) else None


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
