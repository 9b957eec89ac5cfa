"""An analysis made by hand, for views and documents that must not depend on an engine; and a way to run commands."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from afscope.cli.main import main
from afscope.cli.samples import SUFFIX, samples
from afscope.model.capture import Source, SourceState
from afscope.model.clock import SECOND, parse_time
from afscope.model.finding import (
    Analysis,
    CaptureInfo,
    ComponentRuling,
    Condition,
    Cost,
    Evidence,
    Finding,
    Gap,
    NotAssessed,
    Role,
    Ruling,
    Severity,
    Verdict,
)

START = parse_time("2026-03-01T10:00:00Z")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command line in this process, in English and away from the developer's own settings."""
    for name in ("AFSCOPE_LANG", "LC_ALL", "LC_MESSAGES", "LANG", "AFSCOPE_DEBUG", "AFSCOPE_ANALYZERS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def shipped() -> dict[str, Path]:
    """The shipped samples by name: real incidents."""
    return {item.name: Path(str(item.file)) for item in samples() if item.file.name.endswith(SUFFIX)}


def finding(**changes: object) -> Finding:
    values: dict[str, object] = {
        "id": "pool_exhausted-1",
        "cause": "pool_exhausted",
        "stage": "limits",
        "component": "pool",
        "target": "airflow/worker",
        "subject": "tiny",
        "severity": Severity.HIGH,
        "role": Role.ROOT_CAUSE,
        "title": "Pool tiny has no open slots",
        "detail": "Nine tasks wait for two slots.",
        "remedy": "Raise the slots of tiny.",
        "docs": "docs/causes/pool_exhausted.md",
        "started_at": START,
        "ended_at": START + 90 * SECOND,
        "confidence": 0.9,
        "cost": Cost(waiting_task_seconds=812.25),
        "evidence": (Evidence("pools", START, "tiny", "slots 2"),),
    }
    return Finding(**{**values, **changes})  # type: ignore[arg-type]


def analysis(*findings: Finding, healthy: bool | None = False) -> Analysis:
    return Analysis(
        capture=CaptureInfo(
            id="case",
            started_at=START,
            ended_at=START + 125 * SECOND,
            cluster="",
            sources={"pools": Source(SourceState.OK), "leases": Source(SourceState.FORBIDDEN, "403")},
        ),
        targets=({"target": "airflow/worker"},),
        verdict=Verdict(
            healthy=healthy,
            summary="The pool is full.",
            root_causes=tuple(dict.fromkeys(item.cause for item in findings if item.role is Role.ROOT_CAUSE)),
            components=(
                ComponentRuling("hpa", "", Ruling.NOT_ASSESSED, "no HPA recorded"),
                ComponentRuling(
                    "keda-operator", "", Ruling.NOT_GUILTY, "it saw 0", (Evidence("hpas", START, "w", "0"),)
                ),
                ComponentRuling("pool", "airflow/worker", Ruling.GUILTY, "full"),
            ),
            conditions=(Condition("the scheduler puts work into the table", True, "queued grows"),),
        ),
        findings=findings,
        not_assessed=(NotAssessed("keda_operator_down", ("leases",)), NotAssessed("quota_exceeded", ("leases",))),
        gaps=(Gap("events", START + SECOND, START + 2 * SECOND, "watch expired"),),
    )
