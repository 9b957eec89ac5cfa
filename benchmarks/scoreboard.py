#!/usr/bin/env python3
"""Whom do we blame, and are we right? Analyzes every labelled recording of a folder and compares with its label.

    python benchmarks/scoreboard.py FOLDER [--only SUBSTRING]

A recording falls short when a root cause is missed, a cause is named that the label neither expects nor accepts,
an innocent component is ruled guilty, the first cause is none of the expected ones, a healthy run is not called
healthy, the label's subject or component is not the found one, attempts' waits do not add up, or more than 5 % of the
waiting is unknown (unless the label says that the recording is `partial`). Exit 1 when any does.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.clock import SECOND
from afscope.model.finding import Analysis, Finding, Role, Ruling
from afscope.model.timeline import AttemptWait

ALIASES = {"keda": {"keda-operator", "keda-metrics-apiserver"}, "metrics": {"keda-metrics-apiserver"}}
UNKNOWN_SHARE = 0.05


@dataclass(frozen=True)
class Score:
    """One line of the board. Seconds; `problems` is empty when the recording came out right."""

    name: str
    expected: tuple[str, ...]
    found: tuple[str, ...]
    blamed: tuple[str, ...]
    unknown_s: float
    waited_s: float
    took_s: float
    problems: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only recordings whose name contains this")
    options = parser.parse_args()
    labels = sorted(path for path in options.folder.glob("*/label.json") if options.only in path.parent.name)
    if not labels:
        print(f"no */label.json in {options.folder}", file=sys.stderr)
        return 2
    print(f"   {'recording':34} {'expected':30} {'found':40} {'blamed wrongly':22} {'unknown':>12} {'took':>6}")
    short = 0
    for label in labels:
        score = scored(label.parent, json.loads(label.read_text()))
        show(score)
        short += bool(score.problems)
    print(f"{len(labels)} recordings, {short} fall short")
    return 1 if short else 0


def show(score: Score) -> None:
    unknown = f"{score.unknown_s:.0f}/{score.waited_s:.0f}s"
    print(
        f"{'--' if score.problems else 'ok'} {score.name:34} {','.join(score.expected) or '-':30} "
        f"{','.join(score.found) or '-':40} {','.join(score.blamed) or '-':22} {unknown:>12} {score.took_s:5.1f}s"
    )
    for problem in score.problems:
        print(f"      {problem}")


def scored(recording: Path, label: dict[str, Any]) -> Score:
    """Imports and analyzes one recording, away from its label. A crash is a problem like any other."""
    expected = tuple(label["root_causes"])
    start = time.perf_counter()
    try:
        analysis, waits = investigated(recording)
    except Exception as error:
        traceback.print_exc()
        crash = (f"{type(error).__name__}: {error}",)
        return Score(recording.name, expected, (), (), 0.0, 0.0, time.perf_counter() - start, crash)
    took = time.perf_counter() - start
    waited = sum(stage.seconds for wait in waits for stage in wait.stages)
    unknown = sum(stage.seconds for wait in waits for stage in wait.stages if stage.stage == "unknown")
    found, blamed = analysis.verdict.root_causes, wrongly_blamed(analysis, label)
    problems = tuple(problems_of(analysis, waits, label, unknown, waited))
    return Score(recording.name, expected, found, blamed, unknown, waited, took, problems)


def investigated(recording: Path) -> tuple[Analysis, list[AttemptWait]]:
    with tempfile.TemporaryDirectory() as work:
        source, capture = Path(work) / recording.name, Path(work) / "scored.afscope"
        shutil.copytree(recording, source, ignore=shutil.ignore_patterns("label.json"))
        import_sources([source], capture)
        opened = Investigation.open(capture)
        try:
            return opened.analysis, list(opened.waits())
        finally:
            opened.close()


def wrongly_blamed(analysis: Analysis, label: dict[str, Any]) -> tuple[str, ...]:
    guilty = {item.component for item in analysis.verdict.components if item.ruling is Ruling.GUILTY}
    innocent: set[str] = set()
    for name in label.get("innocent", []):
        innocent |= ALIASES.get(name, {name})
    return tuple(sorted(guilty & innocent))


def problems_of(
    analysis: Analysis, waits: list[AttemptWait], label: dict[str, Any], unknown: float, waited: float
) -> Iterator[str]:
    expected, accepted = label["root_causes"], {*label["root_causes"], *label.get("acceptable", [])}
    found = analysis.verdict.root_causes
    yield from (f"missed {cause}" for cause in expected if cause not in found)
    yield from (f"wrong {cause}" for cause in found if cause not in accepted)
    yield from (f"blamed innocent {name}" for name in wrongly_blamed(analysis, label))
    if expected and found and found[0] not in expected:
        yield f"first cause is {found[0]}"
    if label.get("healthy") and analysis.verdict.healthy is not True:
        yield f"healthy is {analysis.verdict.healthy}"
    if unknown > UNKNOWN_SHARE * max(waited, 1.0) and not label.get("partial"):
        yield f"{unknown:.0f} s of {waited:.0f} s unknown"
    off = sum(misses(wait, analysis.capture.ended_at) for wait in waits)
    if off:
        yield f"{off} attempts' stages do not add up"
    yield from misnamed(analysis.findings, label)


def misses(wait: AttemptWait, capture_end: int) -> bool:
    """Whether the stages of an attempt differ by more than a second from its wait."""
    end = capture_end if wait.running_at is None else wait.running_at
    return abs(sum(stage.seconds for stage in wait.stages) - (end - wait.runnable_at) / SECOND) > 1.0


def misnamed(findings: tuple[Finding, ...], label: dict[str, Any]) -> Iterator[str]:
    """The label may narrow the expected causes down to a component or a subject."""
    for cause in label["root_causes"]:
        roots = [item for item in findings if item.cause == cause and item.role is Role.ROOT_CAUSE]
        component, subject = label.get("component"), label.get("subject")
        if roots and component and not any(item.component == component for item in roots):
            yield f"{cause}: component {', '.join(item.component for item in roots)}, not {component}"
        if roots and subject and not any(str(subject) in (item.subject, item.target) for item in roots):
            yield f"{cause}: subject {', '.join(item.subject for item in roots)}, not {subject}"


if __name__ == "__main__":
    sys.exit(main())
