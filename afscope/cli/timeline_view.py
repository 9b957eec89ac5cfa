"""`timeline` for people and as CSV: episodes, their stages, and who changed the replicas when."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from afscope.cli.options import People, duration
from afscope.cli.output import plain, rendered
from afscope.cli.words import word
from afscope.model.clock import Micros, rfc3339
from afscope.model.timeline import Decision, Episode, Phase

if TYPE_CHECKING:
    from rich.console import Console

CSV_COLUMNS = ("target", "episode", "kind", "stage", "started_at", "ended_at", "before", "after", "author", "text")


def timeline_text(episodes: Sequence[Episode], who: People, *, recorded: bool = True) -> str:
    """All episodes as text for a terminal; `recorded` tells whether none means that there was no demand."""
    if not episodes:
        return word(who.lang, "no_episodes" if recorded else "no_tasks") + "\n"
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
    return word(who.lang, "episode").format(
        target=plain(episode.target),
        since=who.full(episode.started_at),
        until=ended,
        demand=episode.peak_demand,
        replicas=episode.peak_replicas,
    )


def _table(console: "Console", episode: Episode, who: People) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for key in ("at", "for", "stage", "by"):
        table.add_column(("   " if key == "at" else "") + word(who.lang, key), no_wrap=True)
    table.add_column(word(who.lang, "what"), overflow="fold", ratio=1)
    for at, length, stage, author, text in sorted(_rows(episode, who.lang), key=lambda row: row[0]):
        table.add_row(f"   {who.clock(at)}", length, stage, Text(plain(author)), Text(plain(text)))
    console.print(table)


def _rows(episode: Episode, lang: str) -> Iterator[tuple[Micros, str, str, str, str]]:
    yield from map(_phase_row, episode.phases)
    yield from (_decision_row(decision, lang) for decision in episode.decisions)


def _phase_row(phase: Phase) -> tuple[Micros, str, str, str, str]:
    length = "…" if phase.ended_at is None else duration((phase.ended_at - phase.started_at) / 1e6)
    return phase.started_at, length, phase.stage, phase.author, phase.text


def _decision_row(decision: Decision, lang: str) -> tuple[Micros, str, str, str, str]:
    reason = f": {decision.reason}" if decision.reason else ""
    return decision.at, "", word(lang, "replicas"), decision.author, f"{decision.before} → {decision.after}{reason}"
