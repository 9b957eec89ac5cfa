"""`analyze` for people: the verdict first, then who did it, who did not, and what nobody can tell."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from afscope.cli.gap_lines import gap_lines
from afscope.cli.options import People, duration
from afscope.cli.output import plain, rendered
from afscope.cli.words import WORDS, word
from afscope.model.finding import Analysis, Condition, Evidence, Finding, Kind, Role, Ruling

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_EVIDENCE = 3
_EVIDENCE_WIDTH = 200
_FULL_ROLES = (Role.ROOT_CAUSE.value, Role.CONTRIBUTING.value)
LINT = "lint"
"""The section of what settings say against each other: it belongs to no incident."""
_RULING_STYLE = {Ruling.GUILTY: "bold red", Ruling.NOT_GUILTY: "green", Ruling.NOT_ASSESSED: "dim"}


def verdict_text(analysis: Analysis, who: People, name: str = "") -> str:
    """The whole analysis as text for a terminal; `name` is what the user calls the capture, by default its id."""
    return rendered(lambda console: _draw(console, analysis, who, name))


def headline(analysis: Analysis, who: People, name: str = "") -> str:
    """Which capture, when and how long."""
    capture = analysis.capture
    length = duration((capture.ended_at - capture.started_at) / 1e6)
    cluster = f" · {plain(capture.cluster)}" if capture.cluster else ""
    return f"{plain(name or capture.id)}{cluster} · {who.full(capture.started_at)} · {length}"


def state_word(analysis: Analysis, who: People) -> str:
    """Healthy, not healthy, or cannot tell."""
    return word(who.lang, {True: "healthy", False: "unhealthy", None: "unknown"}[analysis.verdict.healthy])


def cost_text(finding: Finding, who: People) -> str:
    """The parts of the cost that are not zero; empty when it cost nothing."""
    cost = finding.cost
    parts = ((cost.waiting_task_seconds, "waiting"), (cost.lost_task_seconds, "lost"), (cost.idle_pod_seconds, "idle"))
    return ", ".join(f"{seconds:.0f} {word(who.lang, name)}" for seconds, name in parts if seconds >= 0.5)


def evidence_lines(rows: Sequence[Evidence], who: People) -> Iterator[str]:
    """The first rows, one line each, and how many more there are in the JSON."""
    for row in rows[:_SHOWN_EVIDENCE]:
        yield f"{row.table} {who.clock(row.ts)} {plain(row.key)}: {shortened(plain(row.text))}"
    if len(rows) > _SHOWN_EVIDENCE:
        yield f"+ {len(rows) - _SHOWN_EVIDENCE} {word(who.lang, 'more')} (-o json)"


def shortened(text: str) -> str:
    """Long messages of Kubernetes repeat themselves; people get the head, machines all of it."""
    return text if len(text) <= _EVIDENCE_WIDTH else text[: _EVIDENCE_WIDTH - 2].rstrip() + " …"


def facts(finding: Finding, who: People) -> Iterator[tuple[str, str]]:
    """Label and text of what is worth saying about a finding below its title."""
    yield "", plain(finding.detail)
    yield word(who.lang, "do"), plain(finding.remedy)
    yield word(who.lang, "cost"), cost_text(finding, who)
    for line in evidence_lines(finding.evidence, who):
        yield word(who.lang, "evidence"), line
    for line in evidence_lines(finding.counter_evidence, who):
        yield word(who.lang, "against"), line
    yield word(who.lang, "docs"), plain(finding.docs)


def signature(finding: Finding, who: People) -> str:
    """The machine-readable side of a finding on one line."""
    span = f"{who.clock(finding.started_at)}–{who.clock(finding.ended_at)}"
    names = " · ".join(
        plain(part)
        for part in (finding.cause, finding.component, finding.stage, finding.severity.value, finding.target)
        if part
    )
    return f"{names} · {span} · {word(who.lang, 'confidence')} {finding.confidence:.0%}"


def sections(findings: Iterable[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each role in the order of the analysis, then those about settings; empty ones are left out."""
    all_of_them = list(findings)
    for role in Role:
        if found := [f for f in all_of_them if f.role is role and f.kind is not Kind.LINT]:
            yield role.value, found
    if found := [f for f in all_of_them if f.kind is Kind.LINT]:
        yield LINT, found


def explanation(finding: Finding, analysis: Analysis, who: People) -> str:
    """Of a symptom: the causes that explain it, or that none could be proven; else nothing."""
    if finding.role is not Role.SYMPTOM:
        return ""
    causes = dict.fromkeys(f.cause for f in analysis.findings if f.id in finding.explained_by)
    return f"{word(who.lang, 'because_of')}: {', '.join(causes)}" if causes else word(who.lang, "unproven")


def _draw(console: "Console", analysis: Analysis, who: People, name: str) -> None:
    from rich.text import Text

    console.print(Text(headline(analysis, who, name), style="dim"))
    mark = {True: "bold green", False: "bold red", None: "bold yellow"}[analysis.verdict.healthy]
    console.print(Text.assemble((f"{word(who.lang, 'verdict')}: {state_word(analysis, who)}", mark)))
    console.print(Text(plain(analysis.verdict.summary)))
    for name_of_section, found in sections(analysis.findings):
        _section(console, name_of_section, found, analysis, who)
    _components(console, analysis, who)
    _conditions(console, analysis, who)
    _unknowns(console, analysis, who)


def _title(console: "Console", text: str) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style="bold"))


def _indented(console: "Console", text: str, *, by: int = 2, style: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(text, style=style), (0, 0, 0, by)))


def _bullet(console: "Console", text: str, style: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row(Text("  ●"), Text(text, style=style))
    console.print(table)


def _section(console: "Console", section: str, found: Sequence[Finding], analysis: Analysis, who: People) -> None:
    brief = section not in _FULL_ROLES
    _title(console, word(who.lang, section))
    for finding in found:
        _bullet(console, plain(finding.title), style="" if brief else "bold")
        if brief:
            if note := explanation(finding, analysis, who) or (section == LINT and plain(finding.docs)):
                _indented(console, str(note), by=4, style="dim")
            continue
        _indented(console, signature(finding, who), by=4, style="dim")
        for label, text in facts(finding, who):
            if text:
                _indented(console, f"{label}: {text}" if label else text, by=4)


def _grid(console: "Console", rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Rows of first cell, its style, second cell, third cell."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=26)
    table.add_column(overflow="fold", ratio=1)
    for first, style, second, third in rows:
        table.add_row(Text("  " + first, style=style), Text(second), Text(third))
    console.print(table)


def _components(console: "Console", analysis: Analysis, who: People) -> None:
    groups: dict[tuple[Ruling, str], list[str]] = {}
    order = list(Ruling)
    for item in sorted(analysis.verdict.components, key=lambda item: order.index(item.ruling)):
        name = plain(item.component) + (f" ({plain(item.target)})" if item.target and len(analysis.targets) > 1 else "")
        groups.setdefault((item.ruling, plain(item.because)), []).append(name)
    if groups:
        _title(console, word(who.lang, "components"))
        rows = (
            (word(who.lang, ruling.value), _RULING_STYLE[ruling], ", ".join(names), because)
            for (ruling, because), names in groups.items()
        )
        _grid(console, rows)


def _conditions(console: "Console", analysis: Analysis, who: People) -> None:
    if not analysis.verdict.conditions:
        return
    _title(console, word(who.lang, "conditions"))
    marks = {True: ("yes", "green"), False: ("no", "bold red"), None: ("unknown", "dim")}
    rows = (
        (word(who.lang, marks[item.ok][0]), marks[item.ok][1], condition_name(item, who), plain(item.because))
        for item in analysis.verdict.conditions
    )
    _grid(console, rows)


def condition_name(item: Condition, who: People) -> str:
    """A condition in words; its id where the words do not know it."""
    return word(who.lang, item.condition) if item.condition in WORDS[who.lang] else plain(item.condition)


def unassessed(analysis: Analysis) -> Iterator[tuple[str, list[str]]]:
    """Missing sources and the causes that they would have told about, so that the list stays short."""
    groups: dict[str, list[str]] = {}
    for item in analysis.not_assessed:
        groups.setdefault(", ".join(map(plain, item.needs)), []).append(plain(item.cause))
    yield from groups.items()


def _unknowns(console: "Console", analysis: Analysis, who: People) -> None:
    if analysis.not_assessed:
        _title(console, word(who.lang, "missing"))
        for needs, causes in unassessed(analysis):
            _indented(console, f"{word(who.lang, 'needs')} {needs}: {', '.join(causes)}")
    if analysis.missing:
        _title(console, word(who.lang, "sources_missing"))
        for item in analysis.missing:
            settled = word(who.lang, "would_settle").format(n=len(item.causes), components=", ".join(item.components))
            _indented(
                console, f"{plain(item.source)}: {settled if item.causes else plain(item.reason)}; {plain(item.how)}"
            )
    if analysis.gaps:
        _title(console, word(who.lang, "gaps"))
        for span, sources, reason in gap_lines(analysis.gaps, who.clock):
            _indented(console, f"{span} {plain(sources)}: {plain(reason)}")
