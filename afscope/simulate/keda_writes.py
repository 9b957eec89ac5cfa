"""Whether KEDA's recorded writes are those of its own rules: the poll before the write, from what it can have seen."""

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from afscope.control.keda import KedaState, Polled, Row, Trigger, poll
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.simulate.inputs import FAR, NEAR, Series
from afscope.simulate.words import say

if TYPE_CHECKING:
    from afscope.engine.session import Session
    from afscope.simulate.world import Group

_SLACK: Micros = 2 * SECOND


class Checked(NamedTuple):
    """The recorded write, what the rules say, and why they differ; `because` is empty where they agree."""

    recorded: str
    expected: str
    because: str


def check(
    session: "Session", group: "Group", demand: Series | None, at: Micros, before: int, after: int, lang: str
) -> Checked:
    """One write of KEDA from `before` to `after`."""
    recorded = f"{before} → {after}"
    activation = after > before
    states = list(_states(session, group, at))
    values = [*_values(group, demand, at, far=False), *_values(group, demand, at, far=True)]
    results: list[str] = []
    for state, value, now in product(states, dict.fromkeys(values), (at, at - SECOND, at + SECOND)):
        _, action = poll(state, group.target, Polled(before, [Trigger("m", value, group.activation)]), now)
        if action.after == after:
            late = "" if activation else _late(group, state, at, lang)
            return Checked(recorded, f"{before} → {action.after}", late)
        results.append(f"{before} → {before if action.after is None else action.after} ({action.row.value})")
    why = "no_rows" if demand is None else "keda_demand" if activation else "keda_cooldown"
    if any(Row.COOLDOWN.value in text for text in results):
        why = "keda_cooldown"
    return Checked(recorded, " | ".join(dict.fromkeys(results[:4])), say(lang, why))


def _values(group: "Group", demand: Series | None, at: Micros, *, far: bool) -> Iterator[float]:
    """What the query may have answered at the poll; without rows, both sides of the activation."""
    if demand is None:
        yield from (0.0, group.activation + 1)
        return
    # A poll that hung asked earlier than it wrote: one interval back.
    reach = FAR if far else ((group.target.polling_s + 3) * SECOND, NEAR[1])
    yield from (value / 1000 for value in sorted(demand.around(at, reach)))


def _states(session: "Session", group: "Group", at: Micros) -> Iterator[KedaState]:
    """lastActiveTime as it stood before the write; the status follows the write, so a look just after counts too."""
    rows = session.run(
        """SELECT s.last_active_time FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
        WHERE t.target = $target AND epoch_us(s.seen_at) <= $at AND s.change <> 'DELETED'
        ORDER BY s.seen_at DESC LIMIT 2""",
        {"target": group.name, "at": at + SECOND},
    ).rows
    for (active,) in dict.fromkeys(tuple(row) for row in rows) or [(None,)]:
        yield KedaState(micros(active) if active else None)


def _late(group: "Group", state: KedaState, at: Micros, lang: str) -> str:
    """A scale to rest may come up to two polls after the cooldown; later than that KEDA was not polling."""
    if state.last_active is None:
        return ""
    due = state.last_active + (group.target.cooldown_s + 2 * group.target.polling_s) * SECOND + _SLACK
    return "" if at <= due else say(lang, "keda_late", due=rfc3339(due))
