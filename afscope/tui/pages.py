"""What the list pane shows: pages of entries, made of an analysis. Pure; the widgets only draw and walk them.

The root page lists verdict, findings and rulings. Opening an entry leads to a page about it; opening evidence leads
to its rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.text import Text

from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.model.finding import Analysis, ComponentRuling, Cost, Evidence, Finding, Kind, Ruling, Verdict
from afscope.tui import palette
from afscope.tui.harmless import cut, harmless, label
from afscope.tui.times import between, duration, moment, precise
from afscope.tui.words import known, word

Subject = Finding | ComponentRuling | Verdict | Evidence
_EVIDENCE_CELLS = 240


@dataclass(frozen=True)
class Entry:
    """A line or a paragraph. `opens` is what Enter leads to; `copy` what y puts on the clipboard.

    A heading cannot be chosen.
    """

    text: Text
    opens: Subject | None = None
    copy: str = ""
    heading: bool = False


@dataclass(frozen=True)
class Page:
    """`title` is harmless already; `entries` from top to bottom; `about` is what all of them are about."""

    title: str
    entries: tuple[Entry, ...]
    about: Subject | None = None


def same(one: Subject, other: Subject) -> bool:
    """Whether two analyses speak of the same thing: ids of findings are only good within one."""
    match one, other:
        case Finding(), Finding():
            return (one.cause, one.target, one.subject) == (other.cause, other.target, other.subject)
        case ComponentRuling(), ComponentRuling():
            return (one.component, one.target) == (other.component, other.target)
        case Evidence(), Evidence():
            return (one.table, one.ts, one.key) == (other.table, other.ts, other.key)
    return isinstance(one, Verdict) and isinstance(other, Verdict)


def of_lint(finding: Finding) -> bool:
    """Whether it speaks of settings, and not of what happened."""
    return finding.kind is Kind.LINT


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """As the lists show them: what happened first."""
    return sorted(findings, key=of_lint)


class Pages:
    """Makes the pages of one analysis in one language."""

    def __init__(self, analysis: Analysis, lang: str) -> None:
        self.analysis, self.lang = analysis, lang
        self._range = analysis.capture.started_at, analysis.capture.ended_at
        self._titles = {finding.id: finding for finding in analysis.findings}

    def root(self) -> Page:
        """Verdict, findings, rulings."""
        found, lint = (
            [
                Entry(self._finding_line(f), f, self.finding_text(f))
                for f in self.analysis.findings
                if of_lint(f) is apart
            ]
            for apart in (False, True)
        )
        nothing = Entry(label(word(self.lang, "no_findings")), heading=True)
        rulings = list(self._rulings())
        return Page(
            word(self.lang, "findings"),
            (
                *(found or [nothing]),
                *([self._heading("components"), *rulings] if rulings else []),
                *([self._heading("lint"), *lint] if lint else []),
                self._heading("verdict"),
                Entry(self._verdict_line(), self.analysis.verdict, harmless(self.analysis.verdict.summary)),
            ),
        )

    def about(self, subject: Finding | ComponentRuling | Verdict) -> Page:
        """Everything there is to say about one thing."""
        if isinstance(subject, Finding):
            return self._finding(subject)
        if isinstance(subject, ComponentRuling):
            return self._ruling(subject)
        return self._verdict(subject)

    def again(self, subject: Subject | None) -> Page | None:
        """The page about what `subject` is in this analysis; None when there is no such thing any more."""
        if not isinstance(subject, Finding | ComponentRuling | Verdict):
            return None
        everything: list[Finding | ComponentRuling | Verdict] = [
            *self.analysis.findings, *self.analysis.verdict.components, self.analysis.verdict
        ]  # fmt: skip
        return next((self.about(one) for one in everything if same(one, subject)), None)

    def state(self) -> str:
        """Healthy, not healthy or cannot tell."""
        verdict = self.analysis.verdict
        if verdict.healthy is None and not verdict.components and not verdict.conditions:
            return word(self.lang, "analyzing")
        return word(self.lang, {True: "healthy", False: "unhealthy", None: "unknown"}[self.analysis.verdict.healthy])

    # --- lines of the root page

    def _finding_line(self, finding: Finding) -> Text:
        colour = palette.SEVERITY[finding.severity]
        line = Text.assemble(
            (f"{palette.ROLE[finding.role]} ", f"bold {colour}"),
            (f"{self._kind(finding)}  ", colour),
            (harmless(finding.title), "bold" if finding.role == "root_cause" else ""),
        )
        return line.append(f"\n  {self._price(finding)}", "dim")

    def _kind(self, finding: Finding) -> str:
        return f"{word(self.lang, finding.role.value)}, {word(self.lang, finding.severity.value)}"

    def _price(self, finding: Finding) -> str:
        """Since when, how long, at what cost."""
        lasted = duration(finding.ended_at - finding.started_at)
        since = word(self.lang, "since", since=moment(finding.started_at, *self._range), span=lasted)
        return " · ".join([since, *self._cost(finding.cost)])

    def _cost(self, cost: Cost) -> Iterator[str]:
        parts = (
            ("waiting_cost", cost.waiting_task_seconds),
            ("lost_cost", cost.lost_task_seconds),
            ("idle_cost", cost.idle_pod_seconds),
        )
        return (word(self.lang, key, n=f"{seconds:,.0f}") for key, seconds in parts if seconds >= 0.5)

    def _rulings(self) -> Iterator[Entry]:
        """One entry per ruling; those without evidence and with one reason share theirs."""
        order = list(Ruling)
        rulings = sorted(self.analysis.verdict.components, key=lambda r: order.index(r.ruling))
        for (ruling, because, _), group in groupby(
            rulings, key=lambda r: (r.ruling, r.because, "" if not r.evidence else r.component + r.target)
        ):
            same = list(group)
            names = ", ".join(self._who(item) for item in same)
            colour, glyph = palette.RULING[ruling]
            text = Text.assemble((f"{glyph} {word(self.lang, ruling.value)}  ", colour), (names, "bold"))
            text.append(f"  {harmless(because)}", "dim")
            yield Entry(text, same[0] if len(same) == 1 else None, f"{names}: {ruling.value}: {harmless(because)}")

    def _who(self, ruling: ComponentRuling) -> str:
        several = len(self.analysis.targets) > 1 and ruling.target
        return harmless(ruling.component + (f" ({ruling.target})" if several else ""))

    def _verdict_line(self) -> Text:
        verdict = self.analysis.verdict
        return Text.assemble(
            (f"{self.state()}  ", f"bold {palette.VERDICT[verdict.healthy]}"), (harmless(verdict.summary), "")
        )

    # --- pages about one thing

    def _finding(self, finding: Finding) -> Page:
        head = Text.assemble(
            (f"{palette.ROLE[finding.role]} {harmless(finding.title)}", "bold"),
            (f"\n{self._kind(finding)} · {harmless(finding.component)}", palette.SEVERITY[finding.severity]),
            (f"\n{self._price(finding)}", ""),
        )
        parts = [harmless(part) for part in (finding.target, finding.subject) if part]
        confidence = word(self.lang, "confidence", percent=f"{finding.confidence * 100:.0f}")
        head.append("\n" + " · ".join(dict.fromkeys([*parts, confidence])), "dim")
        copy = self.finding_text(finding)
        entries = [Entry(head, copy=copy)]
        if finding.detail:
            entries.append(Entry(label(finding.detail), copy=copy))
        if finding.remedy:
            entries += [self._heading("remedy"), Entry(label(finding.remedy, palette.SKY), copy=copy)]
        entries += self._explanations(finding)
        entries += self._evidence("evidence", finding.evidence)
        entries += self._evidence("counter_evidence", finding.counter_evidence)
        if finding.docs:
            entries.append(Entry(label(finding.docs, "dim"), copy=harmless(finding.docs)))
        return Page(harmless(finding.cause.replace("_", " ")), tuple(entries), finding)

    def _explanations(self, finding: Finding) -> Iterator[Entry]:
        causes = [self._titles[id_] for id_ in finding.explained_by if id_ in self._titles]
        if causes:
            yield self._heading("explained_by")
        for cause in causes:
            yield Entry(self._finding_line(cause), cause, self.finding_text(cause))

    def _ruling(self, ruling: ComponentRuling) -> Page:
        colour, glyph = palette.RULING[ruling.ruling]
        head = Text.assemble(
            (f"{glyph} {word(self.lang, ruling.ruling.value)}  ", f"bold {colour}"), (self._who(ruling), "bold")
        )
        copy = f"{self._who(ruling)}: {ruling.ruling.value}: {harmless(ruling.because)}"
        entries = [Entry(head, copy=copy), Entry(label(ruling.because), copy=copy)]
        return Page(harmless(ruling.component), (*entries, *self._evidence("evidence", ruling.evidence)))

    def _verdict(self, verdict: Verdict) -> Page:
        entries = [Entry(self._verdict_line(), copy=harmless(verdict.summary))]
        if verdict.conditions:
            entries.append(self._heading("conditions"))
        for item in verdict.conditions:
            mark = word(self.lang, {True: "yes", False: "no", None: "perhaps"}[item.ok])
            name = word(self.lang, item.condition) if known(item.condition) else harmless(item.condition)
            text = Text.assemble(
                (f"{mark:3} ", f"bold {palette.VERDICT[item.ok]}"), f"{name}: ", (harmless(item.because), "dim")
            )
            entries.append(Entry(text, copy=text.plain))
        entries += self._unknowns()
        return Page(word(self.lang, "verdict"), tuple(entries))

    def _unknowns(self) -> Iterator[Entry]:
        by_needs: dict[str, list[str]] = {}
        for item in self.analysis.not_assessed:
            by_needs.setdefault(", ".join(item.needs), []).append(item.cause)
        if by_needs:
            yield self._heading("not_assessed_causes")
        for needs, causes in by_needs.items():
            text = harmless(word(self.lang, "needs", tables=needs, causes=", ".join(causes)))
            yield Entry(Text(text), copy=text)
        if self.analysis.gaps:
            yield self._heading("gaps")
        for gap in self.analysis.gaps:
            text = harmless(f"{between(gap.from_ts, gap.to_ts)}  {gap.source}: {gap.reason}")
            yield Entry(Text(text), copy=text)

    def _evidence(self, title: str, rows: Sequence[Evidence]) -> Iterator[Entry]:
        if rows:
            yield self._heading(title)
        for row in rows:
            text = Text.assemble(
                (f"{moment(row.ts, *self._range, precise)} ", "bold"),
                (f"{harmless(row.table)} {harmless(row.key)}  ", palette.SKY),
                cut(harmless(row.text), _EVIDENCE_CELLS),
            )
            yield Entry(text, row, evidence_text(row))

    def _heading(self, key: str) -> Entry:
        return Entry(label(f"── {word(self.lang, key)}", "bold dim"), heading=True)

    # --- as plain text, for the clipboard

    def finding_text(self, finding: Finding) -> str:
        """A finding as lines that can go into a ticket."""
        return "\n".join(self._ticket(finding))

    def _ticket(self, finding: Finding) -> Iterable[str]:
        yield f"[{self._kind(finding)}] {harmless(finding.title)}"
        yield f"{rfc3339(finding.started_at)} – {rfc3339(finding.ended_at)}  {self._price(finding)}"
        if finding.detail:
            yield harmless(finding.detail)
        if finding.remedy:
            yield f"{word(self.lang, 'remedy')}: {harmless(finding.remedy)}"
        for row in finding.evidence:
            yield f"- {evidence_text(row)}"


def evidence_text(row: Evidence) -> str:
    """An evidence row as one line, with its time in full."""
    return f"{rfc3339(row.ts)} {harmless(row.table)} {harmless(row.key)}: {harmless(row.text)}"


def starts_at(subject: Subject) -> Micros | None:
    """Where the time cursor goes when `subject` is opened."""
    if isinstance(subject, Finding):
        return subject.started_at
    return subject.ts if isinstance(subject, Evidence) else None


def lasts(subject: Subject | None) -> tuple[Micros, Micros] | None:
    """The time that the finding strip marks for `subject`."""
    if isinstance(subject, Finding):
        return subject.started_at, max(subject.ended_at, subject.started_at + SECOND // 1000)
    return (subject.ts, subject.ts) if isinstance(subject, Evidence) else None
