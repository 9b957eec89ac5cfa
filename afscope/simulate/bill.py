"""The bill of scale-to-zero: what cold starts cost in waiting, what warm workers would cost, and, where schedules make
the demand predictable, the KEDA cron trigger that warms up just in time.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from afscope.control.hpa import SYNC_PERIOD_S
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.model.simulation import Bill, Outcome
from afscope.simulate.words import say

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation
    from afscope.engine.session import Session
    from afscope.simulate.world import Group

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# Periods that cron can say with one pair of lists: parts of an hour in whole minutes, parts of a day in whole hours.
_PERIODS = (
    *(60 * minutes for minutes in range(5, 60) if 60 % minutes == 0),
    *(_HOUR * hours for hours in range(1, 25) if 24 % hours == 0),
)
_LEAST_RUNS = 3
_OFF_BEAT = 0.1
_MOST_BUSY = 0.8
_MOST_TRIGGERS = 5


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A DAG whose scheduled runs come at `phase` of each `period` (seconds of the day, UTC) and keep workers busy for
    `busy` seconds; `tasks` is the most that one run has.
    """

    dag: str
    period: int
    phase: int
    busy: int
    tasks: int


def bill(
    investigation: "Investigation", group: "Group", cold_starts: int, baseline: Outcome, warm: Outcome | None, lang: str
) -> Bill:
    """What the target's scale-to-zero costs; `warm` is the same work with one worker that always stays."""
    if warm is None or not cold_starts:
        return Bill(cold_starts, 0, 0.0, 0.0, "", say(lang, "bill_none"))
    saved, idle = baseline.wait_total_s - warm.wait_total_s, warm.pod_hours - baseline.pod_hours
    cost = say(lang, "bill_cost", starts=cold_starts, saved=f"{saved:.0f}", warm=1, idle=f"{idle:.2f}")
    found = rhythms(investigation.session, group.name)
    triggers = [text for rhythm in found[:_MOST_TRIGGERS] if (text := cron_trigger(rhythm, group))]
    if triggers:
        why = say(lang, "cron_yes", dags=", ".join(rhythm.dag for rhythm in found[:_MOST_TRIGGERS]))
    else:
        why = say(lang, "cron_no", why=say(lang, "cron_all_day" if found else "cron_few"))
    return Bill(cold_starts, 1, saved, idle, "triggers:\n" + "".join(triggers) if triggers else "", f"{cost} {why}")


def rhythms(session: "Session", target: str) -> list[Rhythm]:
    """The regular DAGs of a target, those with most tasks first."""
    rows = session.run(
        """SELECT r.dag_id, r.queued_at, max(coalesce(a.ended_at, r.queued_at)) AS over, count(*) AS tasks
        FROM runs r JOIN attempts a USING (dag_id, run_id)
        JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
        WHERE r.run_type = 'scheduled' AND s.target = $target
        GROUP BY ALL ORDER BY r.dag_id, r.queued_at""",
        {"target": target},
    ).rows
    runs: dict[str, list[tuple[Micros, Micros, int]]] = defaultdict(list)
    for dag, began, over, tasks in rows:
        runs[dag].append((micros(began), micros(over), tasks))
    found = [rhythm for dag, known in runs.items() if (rhythm := rhythm_of(dag, known)) is not None]
    return sorted(found, key=lambda rhythm: (-rhythm.tasks, rhythm.dag))


def rhythm_of(dag: str, runs: Sequence[tuple[Micros, Micros, int]]) -> Rhythm | None:
    """The beat of a DAG's runs (began, over, tasks); None without one that cron can say.

    A run that was skipped or late by up to a tenth of the period does not break the beat.
    """
    if len(runs) < _LEAST_RUNS:
        return None
    gaps = [(after[0] - before[0]) / SECOND for before, after in pairwise(runs)]
    period = min(_PERIODS, key=lambda known: abs(known - median(gaps)))
    if any(abs(gap - max(1, round(gap / period)) * period) > _OFF_BEAT * period for gap in gaps):
        return None
    phases = [began // SECOND % period for began, _, _ in runs]
    # On a circle: seconds just before and just after the turn are neighbours.
    first = min(phases, key=lambda phase: max((other - phase) % period for other in phases))
    busy = max((over - began) / SECOND for began, over, _ in runs)
    return Rhythm(dag, period, int(first), math.ceil(busy), max(tasks for _, _, tasks in runs))


def cron_trigger(rhythm: Rhythm, group: "Group") -> str:
    """The trigger as YAML, empty where the workers would hardly ever be off.

    It starts early enough for a poll of KEDA, a sync of the HPA and the slowest recorded boot.
    """
    boots = [boot for boot in group.boots if boot >= 0]
    lead = group.target.polling_s + SYNC_PERIOD_S + (max(boots) / SECOND if boots else 30)
    start = math.floor((rhythm.phase - lead) / _MINUTE) * _MINUTE
    end = math.ceil((rhythm.phase + rhythm.busy) / _MINUTE) * _MINUTE
    if end - start > _MOST_BUSY * rhythm.period:
        return ""
    workers = max(1, min(group.target.max_replicas, math.ceil(rhythm.tasks / group.slots)))
    return (
        f"- type: cron  # {rhythm.dag}\n  metadata:\n    timezone: UTC\n"
        f'    start: "{cron(start, rhythm.period)}"\n    end: "{cron(end, rhythm.period)}"\n'
        f'    desiredReplicas: "{workers}"\n'
    )


def cron(second: int, period: int) -> str:
    """A cron expression (minute resolution, UTC) for `second` of each `period`."""
    at = second % period // _MINUTE
    if period < _HOUR:
        minutes = ",".join(str(minute) for minute in range(at, 60, period // _MINUTE))
        return f"{minutes} * * * *"
    minute, hour = at % 60, at // 60
    hours = ",".join(str(h) for h in range(hour, 24, period // _HOUR))
    return f"{minute} {'*' if period == _HOUR else hours} * * *"
