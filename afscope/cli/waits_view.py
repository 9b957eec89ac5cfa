"""`waits` for people and as CSV: the waiting of all attempts, grouped, each group's stages and causes by cost."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from afscope.cli.options import duration
from afscope.cli.output import plain, rendered
from afscope.cli.words import word
from afscope.model.finding import STAGES
from afscope.model.timeline import AttemptWait

if TYPE_CHECKING:
    from rich.console import Console

GROUPS = ("dag", "queue", "pool", "task")
CSV_COLUMNS = ("group", "attempts", "waited_s", "median_s", "longest_s", "stage", "cause", "seconds", "share")


@dataclass(frozen=True, slots=True)
class Group:
    """All attempts of one DAG, queue, pool or task. Seconds; `parts` are (stage, cause, seconds), costly first."""

    name: str
    attempts: int
    waited_s: float
    median_s: float
    longest_s: float
    parts: tuple[tuple[str, str, float], ...]


def grouped(attempts: Iterable[AttemptWait], by: str) -> list[Group]:
    """Groups of attempts by `by` (one of GROUPS), those that waited most first."""
    members: dict[str, list[AttemptWait]] = defaultdict(list)
    for attempt in attempts:
        members[_key(attempt, by)].append(attempt)
    groups = (_group(name, list_) for name, list_ in members.items())
    return sorted(groups, key=lambda group: (-group.waited_s, group.name))


def waits_rows(groups: Iterable[Group]) -> Iterator[tuple[object, ...]]:
    """Rows of CSV_COLUMNS: one per group, stage and cause; `share` is of the group's waiting."""
    for group in groups:
        head = (group.name, group.attempts, *(round(s, 3) for s in (group.waited_s, group.median_s, group.longest_s)))
        for stage, cause, seconds in group.parts:
            yield (*head, stage, cause, round(seconds, 3), round(_share(seconds, group), 4))


def waits_text(groups: Sequence[Group], lang: str = "en", *, recorded: bool = True) -> str:
    """All groups as text for a terminal; `recorded` tells whether none means that nobody waited."""
    if not groups:
        return word(lang, "no_waits" if recorded else "no_tasks") + "\n"
    return rendered(lambda console: _draw(console, groups, lang))


def _key(attempt: AttemptWait, by: str) -> str:
    if by == "task":
        return f"{attempt.dag_id}.{attempt.task_id}"
    return {"dag": attempt.dag_id, "queue": attempt.queue, "pool": attempt.pool}[by]


def _group(name: str, attempts: Sequence[AttemptWait]) -> Group:
    totals = [sum(wait.seconds for wait in attempt.stages) for attempt in attempts]
    parts: dict[tuple[str, str], float] = defaultdict(float)
    for attempt in attempts:
        for wait in attempt.stages:
            parts[wait.stage, wait.cause] += wait.seconds
    costly = sorted(parts.items(), key=lambda item: (-item[1], STAGES.index(item[0][0]), item[0][1]))
    ranked = tuple((stage, cause, seconds) for (stage, cause), seconds in costly if seconds > 0)
    return Group(name, len(attempts), sum(totals), median(totals), max(totals), ranked)


def _share(seconds: float, group: Group) -> float:
    return seconds / group.waited_s if group.waited_s else 0.0


def _draw(console: "Console", groups: Sequence[Group], lang: str) -> None:
    from rich.table import Table
    from rich.text import Text

    for group in groups:
        head = word(lang, "group_waited").format(
            name=plain(group.name) or "(none)",
            n=group.attempts,
            total=duration(group.waited_s),
            median=duration(group.median_s),
            longest=duration(group.longest_s),
        )
        console.print(Text(head, style="bold"))
        table = Table.grid(padding=(0, 2, 0, 0))
        for justify in ("right", "right", "left", "left"):
            table.add_column(justify="right" if justify == "right" else "left", overflow="fold")
        for stage, cause, seconds in group.parts:
            table.add_row(f"  {_share(seconds, group):.0%}", duration(seconds), stage, Text(plain(cause)))
        console.print(table)
