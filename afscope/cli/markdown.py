"""`analyze -o markdown`: the verdict as it goes into a ticket or a pull request."""

from collections.abc import Iterator

from afscope.cli.gap_lines import gap_lines
from afscope.cli.options import People
from afscope.cli.output import plain
from afscope.cli.verdict_view import (
    condition_name,
    explanation,
    facts,
    headline,
    sections,
    signature,
    state_word,
    unassessed,
)
from afscope.cli.words import word
from afscope.model.finding import Analysis, Finding

_SPECIAL = str.maketrans({char: "\\" + char for char in "\\`*[]<>#|"})


def markdown(analysis: Analysis, who: People, name: str = "") -> str:
    """The whole analysis as GitHub-flavoured Markdown; `name` is what the user calls the capture."""
    return "\n".join(_lines(analysis, who, name)) + "\n"


def escape(text: str) -> str:
    """Text from a capture as one line that Markdown takes literally."""
    return plain(text).translate(_SPECIAL)


def _lines(analysis: Analysis, who: People, name: str) -> Iterator[str]:
    yield f"# {word(who.lang, 'verdict')}: {state_word(analysis, who)}"
    yield f"\n{escape(analysis.verdict.summary)}\n\n_{escape(headline(analysis, who, name))}_"
    for section, found in sections(analysis.findings):
        yield f"\n## {word(who.lang, section)}"
        for finding in found:
            yield from _finding(finding, who)
            if note := explanation(finding, analysis, who):
                yield f"- {escape(note)}"
    yield from _components(analysis, who)
    yield from _rest(analysis, who)


def _finding(finding: Finding, who: People) -> Iterator[str]:
    yield f"\n### {escape(finding.title)}\n\n{escape(signature(finding, who))}\n"
    for label, text in facts(finding, who):
        if text:
            yield f"- **{label}**: {escape(text)}" if label else f"{escape(text)}\n"


def _components(analysis: Analysis, who: People) -> Iterator[str]:
    if not analysis.verdict.components:
        return
    yield f"\n## {word(who.lang, 'components')}\n\n| | | | |\n|---|---|---|---|"
    for item in analysis.verdict.components:
        cells = (word(who.lang, item.ruling.value), item.component, item.target, item.because)
        yield f"| {' | '.join(escape(cell) for cell in cells)} |"


def _rest(analysis: Analysis, who: People) -> Iterator[str]:
    marks = {True: "yes", False: "no", None: "unknown"}
    if analysis.verdict.conditions:
        yield f"\n## {word(who.lang, 'conditions')}\n"
        for item in analysis.verdict.conditions:
            yield f"- **{word(who.lang, marks[item.ok])}** {escape(condition_name(item, who))}: {escape(item.because)}"
    if analysis.not_assessed:
        yield f"\n## {word(who.lang, 'missing')}\n"
        for needs, causes in unassessed(analysis):
            yield f"- {word(who.lang, 'needs')} {escape(needs)}: {escape(', '.join(causes))}"
    if analysis.gaps:
        yield f"\n## {word(who.lang, 'gaps')}\n"
        for span, sources, reason in gap_lines(analysis.gaps, who.full):
            yield f"- {span} {escape(sources)}: {escape(reason)}"
