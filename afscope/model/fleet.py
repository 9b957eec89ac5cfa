"""Many captures at once: what each says, and which causes come back."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from afscope.model.clock import Micros
from afscope.model.finding import Analysis, Finding, Role, Severity

BLAMED = (Role.ROOT_CAUSE, Role.CONTRIBUTING)
_SEVERITIES = list(Severity)


@dataclass(frozen=True, slots=True)
class Question:
    """What every capture of a fleet is asked."""

    lang: str = "en"
    since: Micros | None = None
    until: Micros | None = None


@dataclass(frozen=True, slots=True)
class Assessed:
    """One capture of a fleet: its analysis, or why there is none."""

    place: str
    """Where it was found: a path or a URL without its secrets."""
    analysis: Analysis | None
    error: str = ""

    @property
    def blamed(self) -> tuple[Finding, ...]:
        """Root causes and contributing findings, the most costly first."""
        return tuple(f for f in self.analysis.findings if f.role in BLAMED) if self.analysis else ()


@dataclass(frozen=True, slots=True)
class CommonCause:
    """A cause over all captures. Seconds are task-seconds."""

    cause: str
    severity: Severity
    """The worst of all."""
    captures: tuple[str, ...]
    """The places where it is a root cause."""
    targets: tuple[str, ...]
    waiting_task_seconds: float
    lost_task_seconds: float


def common_causes(fleet: Iterable[Assessed]) -> list[CommonCause]:
    """The root causes of a fleet: those of most captures first, then the most costly."""
    found: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for item in fleet:
        for finding in item.blamed:
            if finding.role is Role.ROOT_CAUSE:
                found[finding.cause].append((item.place, finding))
    causes = [_common(cause, members) for cause, members in found.items()]
    return sorted(causes, key=lambda c: (-len(c.captures), -c.waiting_task_seconds - c.lost_task_seconds, c.cause))


def _common(cause: str, members: Sequence[tuple[str, Finding]]) -> CommonCause:
    findings = [finding for _, finding in members]
    return CommonCause(
        cause,
        min((finding.severity for finding in findings), key=_SEVERITIES.index),
        tuple(dict.fromkeys(place for place, _ in members)),
        tuple(sorted({finding.target for finding in findings if finding.target})),
        sum(finding.cost.waiting_task_seconds for finding in findings),
        sum(finding.cost.lost_task_seconds for finding in findings),
    )
