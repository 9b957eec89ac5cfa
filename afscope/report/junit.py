"""`-o junit`: a test case per cause, or per replayed incident, for CI systems that show those.

A cause that somebody is guilty of fails, one that could not be assessed is skipped, the others pass. The layout is
that of Jenkins' xUnit plugin (junit-10.xsd), which GitLab, GitHub actions and Buildkite read as well.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from afscope.model.clock import to_datetime
from afscope.model.finding import Analysis, Finding, Role, Severity
from afscope.model.text import harmless

_BLAMED = (Role.ROOT_CAUSE, Role.CONTRIBUTING)


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: `state` is empty (passed), failure or skipped; `message` one line, `detail` several."""

    group: str
    name: str
    state: str = ""
    message: str = ""
    kind: str = ""
    detail: tuple[str, ...] = ()


def junit(analysis: Analysis, causes: Iterable[tuple[str, str]], name: str, failing: Collection[Severity]) -> str:
    """XML text. `causes` are all that were looked for, each with its stage; `failing` the severities that fail."""
    blamed: dict[str, list[Finding]] = {}
    for finding in analysis.findings:
        if finding.role in _BLAMED and finding.severity in failing:
            blamed.setdefault(finding.cause, []).append(finding)
    missing = {item.cause: ", ".join(item.needs) for item in analysis.not_assessed}
    cases = [_verdict(analysis, bool(blamed))]
    cases += [_cause(cause, stage, blamed.get(cause, ()), missing.get(cause)) for cause, stage in causes]
    return suite(name, cases, to_datetime(analysis.capture.started_at).strftime("%Y-%m-%dT%H:%M:%S"))


def suite(name: str, cases: Sequence[Case], timestamp: str = "") -> str:
    """One suite as XML text."""
    states = [case.state for case in cases]
    root = Xml.Element("testsuites", name="afscope")
    about = {
        "name": harmless(name), "tests": str(len(cases)), "failures": str(states.count("failure")), "errors": "0",
        "skipped": str(states.count("skipped")), "time": "0",
    }  # fmt: skip
    inside = Xml.SubElement(root, "testsuite", about | ({"timestamp": timestamp} if timestamp else {}))
    for case in cases:
        element = Xml.SubElement(inside, "testcase", classname=harmless(case.group), name=harmless(case.name), time="0")
        if case.state:
            kind = {"type": case.kind} if case.kind else {}
            told = Xml.SubElement(element, case.state, {"message": harmless(case.message), **kind})
            told.text = "\n".join(map(harmless, case.detail)) or None
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _verdict(analysis: Analysis, blamed: bool) -> Case:
    """So that a capture about which nobody can tell is not all green."""
    state = "failure" if blamed else "skipped" if analysis.verdict.healthy is None else ""
    return Case("afscope", "verdict", state, analysis.verdict.summary, "verdict" if blamed else "")


def _cause(cause: str, stage: str, found: Sequence[Finding], missing: str | None) -> Case:
    if found:
        detail = tuple(line for finding in found for line in _told(finding))
        return Case(f"afscope.{stage}", cause, "failure", found[0].title, found[0].role.value, detail)
    if missing is not None:
        return Case(f"afscope.{stage}", cause, "skipped", f"not assessed: needs {missing}")
    return Case(f"afscope.{stage}", cause)


def _told(finding: Finding) -> Iterable[str]:
    cost = finding.cost
    yield finding.title
    yield from (text for text in (finding.detail, finding.remedy) if text)
    yield (
        f"{finding.component} {finding.target}: {cost.waiting_task_seconds:.0f} task-seconds waiting, "
        f"{cost.lost_task_seconds:.0f} task-seconds lost, confidence {finding.confidence:.0%}"
    )
    yield from (f"{row.table} {row.key}: {row.text}" for row in finding.evidence)
