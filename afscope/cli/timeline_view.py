"""`timeline` for people and as CSV: episodes, their stages, and who changed the replicas when."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from afscope.cli.options import People, duration
from afscope.cli.output import plain, rendered
from afscope.model.clock import Micros, rfc3339
from afscope.model.timeline import Decision, Episode, Phase

if TYPE_CHECKING:
    from rich.console import Console

CSV_COLUMNS = ("target", "episode", "kind", "stage", "started_at", "ended_at", "before", "after", "author", "text")


def timeline_text(episodes: Sequence[Episode], who: People) -> str:
    """All episodes as text for a terminal."""
    if not episodes:
        return "no episodes: demand never rose above zero\n"
    return rendered(lambda console: _draw(console, episodes, who))


def timeline_rows(episodes: Iterable[Episode]) -> Iterator[tuple[object, ...]]:
    """Rows of CSV_COLUMNS: one per phase and one per decision; `episode` counts from 1 over the whole output."""
    for number, episode in enumerate(episodes, 1):
        for phase in episode.phases:
            span = (rfc3339(phase.started_at), phase.ended_at and rfc3339(phase.ended_at))
            yield (episode.target, number, "phase", phase.stage, *span, None, None, phase.author, phase.text)
        for decision in episode.decisions:
            change = (rfc3339(decision.at), None, decision.before, decision.after)
            yield (episode.target, number, "decision", "decide", *change, decision.author, decision.reason)


def _draw(console: "Console", episodes: Sequence[Episode], who: People) -> None:
    from rich.text import Text

    for number, episode in enumerate(episodes, 1):
        if number > 1:
            console.print()
        console.print(Text(f"{number}. {_headline(episode, who)}", style="bold"))
        _table(console, episode, who)


def _headline(episode: Episode, who: People) -> str:
    ended = who.clock(episode.ended_at) if episode.ended_at else "…"
    peaks = f"peak demand {episode.peak_demand} tasks, peak replicas {episode.peak_replicas}"
    return f"{plain(episode.target)} · {who.full(episode.started_at)} – {ended} · {peaks}"


def _table(console: "Console", episode: Episode, who: People) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("   at", "for", "stage", "by"):
        table.add_column(name, no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    for at, length, stage, author, text in sorted(_rows(episode), key=lambda row: row[0]):
        table.add_row(f"   {who.clock(at)}", length, stage, Text(plain(author)), Text(plain(text)))
    console.print(table)


def _rows(episode: Episode) -> Iterator[tuple[Micros, str, str, str, str]]:
    yield from map(_phase_row, episode.phases)
    yield from map(_decision_row, episode.decisions)


def _phase_row(phase: Phase) -> tuple[Micros, str, str, str, str]:
    length = "…" if phase.ended_at is None else duration((phase.ended_at - phase.started_at) / 1e6)
    return phase.started_at, length, phase.stage, phase.author, phase.text


def _decision_row(decision: Decision) -> tuple[Micros, str, str, str, str]:
    reason = f": {decision.reason}" if decision.reason else ""
    return decision.at, "", "replicas", decision.author, f"{decision.before} → {decision.after}{reason}"
