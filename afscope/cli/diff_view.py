"""`diff` for people and as JSON (docs/cli.md)."""

from typing import TYPE_CHECKING, Any

from afscope.cli.documents import SCHEMA_VERSION
from afscope.cli.output import plain, rendered
from afscope.model.clock import rfc3339
from afscope.report.diff import LEVEL, RESAMPLES, UNIT, CauseChange, Change, Diff, Side

if TYPE_CHECKING:
    from rich.console import Console

_WORDS = {
    "wait_mean_s": "mean wait, s",
    "wait_p50_s": "median wait, s",
    "wait_p95_s": "95 % wait at most, s",
    "lost_task_seconds": "work lost, task-seconds",
    "pod_hours": "pod-hours of workers",
}
_STYLE = {"worse": "bold red", "new": "bold red", "better": "green", "gone": "green", "cannot_tell": "yellow"}


def diff_document(told: Diff) -> dict[str, Any]:
    """What `diff -o json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "a": _side(told.a),
        "b": _side(told.b),
        "method": {
            "resamples": RESAMPLES, "seed": told.seed, "level": LEVEL, "unit": UNIT,
            "groups_a": told.a.runs, "groups_b": told.b.runs,
        },
        "measures": [_measure(change) for change in told.measures],
        "causes": [_cause(change) for change in told.causes],
    }  # fmt: skip


def _side(side: Side) -> dict[str, Any]:
    told = side.told
    return {
        "capture": side.name,
        "from": rfc3339(side.start),
        "to": rfc3339(side.end),
        "healthy": side.analysis.verdict.healthy,
        "attempts": told.attempts,
        "wait_total_s": _round(told.wait_total_s),
        "wait_mean_s": _round(side.mean),
        "wait_p50_s": _round(told.wait_p50_s),
        "wait_p95_s": _round(told.wait_p95_s),
        "lost_task_seconds": _round(told.lost_task_seconds),
        "pod_hours": _round(told.pod_hours, 6),
        "peak_replicas": told.peak_replicas,
    }


def _measure(change: Change) -> dict[str, Any]:
    return {
        "measure": change.measure,
        "a": _round(change.a, 6),
        "b": _round(change.b, 6),
        "difference": _round(change.difference, 6),
        "interval": change.interval,
        "verdict": change.verdict,
        "because": change.because,
    }


def _cause(change: CauseChange) -> dict[str, Any]:
    costs = [
        {"role": role, "waiting_task_seconds": round(waiting, 3), "lost_task_seconds": round(lost, 3)}
        for role, waiting, lost in zip(change.roles, change.waiting, change.lost, strict=True)
    ]
    per = change.per_attempt
    return {
        "cause": change.cause,
        "change": change.change,
        "a": costs[0],
        "b": costs[1],
        "per_attempt": {"a": _round(per[0]), "b": _round(per[1]), "interval": change.interval},
        "confidence": change.confidence,
        "because": change.because,
    }


def _round(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def diff_text(told: Diff) -> str:
    """The comparison for a terminal."""
    return rendered(lambda console: _draw(console, told))


def _draw(console: "Console", told: Diff) -> None:
    from rich.text import Text

    for letter, side in (("A", told.a), ("B", told.b)):
        span = f"{rfc3339(side.start)[:19]}Z – {rfc3339(side.end)[:19]}Z"
        console.print(Text(f"{letter}  {plain(side.name)} · {span} · {_tasks(side)}"))
        console.print(Text(f"   {plain(side.analysis.verdict.summary)}", style="dim"))
    console.print()
    console.print(_measure_table(told))
    if told.causes:
        console.print()
        _draw_causes(console, told)


def _tasks(side: Side) -> str:
    return "no task table" if side.told.attempts is None else f"{side.told.attempts} tasks, {side.runs} runs"


def _measure_table(told: Diff) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("", "A", "B", "B - A", "", "how sure"):
        table.add_column(name, justify="right" if name in ("A", "B", "B - A") else "left", overflow="fold")
    for change in told.measures:
        numbers = [_number(change.a), _number(change.b), _number(change.difference, sign=True)]
        verdict = Text(change.verdict.replace("_", " "), style=_STYLE.get(change.verdict, ""))
        table.add_row(_WORDS[change.measure], *numbers, verdict, change.because)
    return table


def _draw_causes(console: "Console", told: Diff) -> None:
    """A line per cause; why it is called so stands below, once for neighbours of the same reason."""
    from rich.text import Text

    width = max(len("cause"), *(len(plain(change.cause)) for change in told.causes))
    console.print(Text(f"{'':11}  {'cause':{width}}  {'A wait, s':>9}  {'B wait, s':>9}  confidence", style="dim"))
    for place, change in enumerate(told.causes):
        line = Text(f"{change.change.replace('_', ' '):11}", style=_STYLE.get(change.change, ""))
        a, b = (_number(value) for value in change.waiting)
        line.append(f"  {plain(change.cause):{width}}  {a:>9}  {b:>9}  {change.confidence:>10.0%}", style="default")
        console.print(line)
        following = told.causes[place + 1].because if place + 1 < len(told.causes) else ""
        if change.because != following:
            console.print(Text(f"    {plain(change.because)}", style="dim"))


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:{'+' if sign else ''}.{digits}f}"
