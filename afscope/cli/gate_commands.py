"""The command `gate`: stored incidents against changed settings, for CI."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afscope.cli.analysis_commands import investigation
from afscope.cli.options import EXPLAIN, Targets, choice
from afscope.cli.output import emit, message, plain, to_json
from afscope.errors import GateTripped, UsageError

if TYPE_CHECKING:
    from afscope.model.simulation import Outcome
    from afscope.report.gate import Judgement

SCHEMA_VERSION = 1


def gate(
    captures: Annotated[list[Path], typer.Argument(metavar="CAPTURE…", help="Stored incidents.")],
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The changed Helm values, or a ScaledObject's YAML.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A changed setting; repeatable.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings to compare with; default: those of the recording.")
    ] = None,
    tolerance: Annotated[float, typer.Option(metavar="PERCENT", help="So much worse is still accepted.")] = 5.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also where the simulation cannot be trusted.")
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", metavar="table|json|junit")] = "table",
    target: Targets = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed draws other luck.")] = 0,
) -> None:
    """Replays stored incidents with changed settings; exits 1 when the p95 wait or the lost work gets worse."""
    choice("--output", output, ("table", "json", "junit"))
    if not 0 <= tolerance <= 1000:
        raise UsageError(f"--tolerance {tolerance:g} makes no sense", "it takes percent, such as 5")
    from afscope.report.gate import judge
    from afscope.simulate.files import settings_from
    from afscope.simulate.settings import assignments

    after = {**(settings_from(file) if file else {}), **assignments(sets or [])}
    if not after:
        raise UsageError("nothing is changed", "say --from values.yaml or --set maxReplicaCount=20")
    before = settings_from(against) if against else None
    found: list[Judgement] = []
    for capture in captures:
        with investigation(capture, "en", target) as opened:
            found += judge(opened, capture.name, after, before, tolerance=tolerance / 100, seed=seed)
    emit({"json": _json, "junit": _junit, "table": _table}[output](found))
    _trip(found, strict=strict)


def _trip(found: "list[Judgement]", *, strict: bool) -> None:
    worse = [j for j in found if j.verdict == "worse"]
    doubtful = [j for j in found if j.verdict == "cannot_tell"]
    for judgement in doubtful:
        message(f"cannot tell: {plain(judgement.capture)} {plain(judgement.target)}: {plain(judgement.because)}")
    if worse:
        names = ", ".join(f"{j.capture} {j.target} ({j.because})" for j in worse)
        raise GateTripped(f"{len(worse)} of {len(found)} replays get worse: {names}")
    if doubtful and (strict or len(doubtful) == len(found)):
        raise GateTripped(f"{len(doubtful)} of {len(found)} replays cannot be judged", "see above; it is no pass")


def _table(found: "list[Judgement]") -> str:
    lines = []
    for j in found:
        lines.append(f"{j.verdict.replace('_', ' ')}: {plain(j.capture)} {plain(j.target)}")
        for name, outcome in (("before", j.before), ("after", j.after)):
            lines.append(
                f"  {name:7} p95 wait {outcome.wait_p95_s:.1f} s, lost {outcome.lost_task_seconds:.1f} task-seconds, "
                f"{outcome.pod_hours:.2f} pod-hours, {outcome.unfinished} unfinished"
            )
        lines.append(f"  {plain(j.because)}")
    return "\n".join(lines)


def _json(found: "list[Judgement]") -> str:
    return to_json({"schema_version": SCHEMA_VERSION, "judgements": [_document(j) for j in found]})


def _document(judgement: "Judgement") -> dict[str, Any]:
    return {
        "capture": judgement.capture,
        "target": judgement.target,
        "verdict": judgement.verdict,
        "because": judgement.because,
        "worse": list(judgement.worse),
        "before": _outcome(judgement.before),
        "after": _outcome(judgement.after),
    }


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    return {
        "set": outcome.set,
        "wait_p50_s": round(outcome.wait_p50_s, 3),
        "wait_p95_s": round(outcome.wait_p95_s, 3),
        "lost_task_seconds": round(outcome.lost_task_seconds, 3),
        "pod_hours": round(outcome.pod_hours, 4),
        "unfinished": outcome.unfinished,
    }


def _junit(found: "list[Judgement]") -> str:
    from afscope.report.junit import Case, suite

    states = {"worse": "failure", "cannot_tell": "skipped", "ok": ""}
    cases = [Case(f"afscope.gate.{j.capture}", j.target, states[j.verdict], j.because) for j in found]
    return suite("afscope gate", cases)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel=EXPLAIN)(gate)
