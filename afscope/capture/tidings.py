"""What a recorder says when kinds of the Kubernetes API are lost or come back: one sentence for all of one reason.

A user without rights is refused a dozen kinds within a second, each with a sentence of its own by the API server; what
helps is to hear once which ones, and what to grant.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from afscope.model.capture import SourceState

_WITHIN_S = 1.0
# What the manifest grants whatever namespaces it is made for.
_IN_EACH = ("", "the cluster", "kube-system")


@dataclass(frozen=True, slots=True)
class News:
    """How it is with a list of the API, such as "pods in airflow", and why."""

    part: str
    state: SourceState
    reason: str = ""


class Tidings:
    """Holds news back for a second, so that what is one matter becomes one sentence. Not for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives real seconds: people read in those, whatever clock the capture has."""
        self._clock = clock
        self._said: dict[str, SourceState] = {}
        self._held: dict[str, News] = {}
        self._since = 0.0

    def hear(self, news: News) -> None:
        """Takes note; what is as it was said to be is no news, nor is another reason for the same state."""
        if self._said.get(news.part, SourceState.OK) is news.state:
            self._held.pop(news.part, None)
            return
        held = self._held.get(news.part)
        if held is None or held.state is not news.state:
            if not self._held:
                self._since = self._clock()
            self._held[news.part] = news

    def due(self, *, all_of_it: bool = False) -> list[str]:
        """The sentences that it is time for; with `all_of_it` those that were to wait, too."""
        if not self._held or (self._clock() - self._since < _WITHIN_S and not all_of_it):
            return []
        news = list(self._held.values())
        self._held.clear()
        self._said.update((one.part, one.state) for one in news)
        return list(sentences(news))


def sentences(news: Iterable[News]) -> Iterator[str]:
    """One per matter: what is forbidden, what has failed for the same reason, what is back."""
    forbidden: list[News] = []
    others: dict[tuple[SourceState, str], list[str]] = {}
    for one in news:
        if one.state is SourceState.FORBIDDEN:
            forbidden.append(one)
        else:
            reason = "" if one.state is SourceState.OK else one.reason
            others.setdefault((one.state, reason), []).append(one.part)
    if forbidden:
        yield "not recorded" + refusal({one.part: one.reason for one in forbidden})
    for (state, reason), parts in others.items():
        if state is SourceState.OK:
            yield f"recorded again: {together(parts)}"
        else:
            yield f"not recorded: {together(parts)}: {reason}"


def refusal(reasons: Mapping[str, str]) -> str:
    """What is forbidden, in the server's own words where it is one thing, and what to grant; a sentence's end."""
    names = "".join(f" -n {place}" for place in _by_place(reasons) if place not in _IN_EACH)
    role = f"`afscope manifest{names}` prints the role"
    if len(reasons) == 1:
        ((part, reason),) = reasons.items()
        return f": {part}: {reason} (grant list and watch; {role})"
    return f", as the API server forbids it: {together(reasons)} (grant list and watch on them; {role})"


def together(parts: Iterable[str]) -> str:
    """Parts as people would name them: pods and events in airflow; nodes in the cluster."""
    return "; ".join(
        f"{_and(things)} in {place}" if place else _and(things) for place, things in _by_place(parts).items()
    )


def _by_place(parts: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in parts:
        thing, known, place = part.rpartition(" in ")
        found.setdefault(place if known else "", []).append(thing if known else part)
    return found


def _and(things: list[str]) -> str:
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
