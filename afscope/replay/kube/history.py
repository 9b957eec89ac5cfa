"""The true history of a cluster: the log of each kind, its state at any time, and the numbers that lists carry."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Self

from afscope.model.clock import Micros
from afscope.model.row import DELETED
from afscope.replay.kube.building import build
from afscope.replay.kube.log import Key, Log, Version
from afscope.replay.kube.namespaces import namespaces
from afscope.replay.kube.observations import Observed, observed
from afscope.replay.kube.rebase import whole_seconds
from afscope.replay.kube.resources import BY_PLURAL, NAMESPACES, Resource

_KEPT_STATES = 16


class History:
    """What a recording or a capture knows of the cluster. Immutable to its users and safe to share between threads."""

    def __init__(self, seen: Observed, *, rebase_to: Micros | None = None) -> None:
        """Use `of`, or give observations made by hand."""
        self.shift: Micros = 0 if rebase_to is None else whole_seconds(rebase_to - seen.begins)
        """By how much all times were moved: whole seconds, in microseconds."""
        self.begins: Micros = seen.begins + self.shift
        self.ends: Micros = seen.ends + self.shift
        self.unread = seen.unread
        """What was left out because it could not be read."""
        self._logs = {
            resource: build(resource, found, seen.begins, self.shift) for resource, found in seen.kinds.items()
        }
        self.unread += [f"{kind.plural}: {log.unread} are no objects" for kind, log in self._logs.items() if log.unread]
        moments = sorted(_moments(self._logs.values()))
        self._times = [at for at, _ in moments]
        self._highest = list(accumulate((number for _, number in moments), max))
        recorded = list(self._logs.values())
        self._derived = {NAMESPACES: namespaces(recorded, self.begins)}
        self._states: dict[tuple[str, int], list[Version]] = {}
        self._lock = Lock()

    @classmethod
    def of(cls, source: Path, *, rebase_to: Micros | None = None) -> Self:
        """The history in a recording folder or a capture (folder or .zip).

        `rebase_to` moves the whole history so that it begins there, to the second. Raises CannotReplay when there are
        no Kubernetes objects, CaptureError when a capture cannot be opened.
        """
        return cls(observed(source), rebase_to=rebase_to)

    @property
    def kinds(self) -> tuple[Resource, ...]:
        """What was recorded, listed-but-none included, in no particular order."""
        return tuple(self._logs)

    def log(self, resource: Resource) -> Log | None:
        """The log of a kind, None when it was not recorded. Events have one, whichever API is asked for them."""
        known = BY_PLURAL["events"] if resource.plural == "events" else resource
        return self._logs.get(known) or self._derived.get(known)

    def resource_version(self, log: Log, at: Micros) -> int:
        """The number of a list of this kind at a time: a watch from it brings exactly what the list does not hold.

        It is the highest number seen by then of any kind, as in a cluster, but below the next one of this kind: a
        recorder hears of different kinds a moment apart.
        """
        seen = bisect_right(self._times, max(at, self.begins))
        highest = self._highest[seen - 1] if seen else 0
        following = self.upto(log, at)
        return min(highest, log.versions[following].position - 1) if following < len(log.versions) else highest

    def upto(self, log: Log, at: Micros) -> int:
        """How many versions of a log are visible at a time; before the beginning, as many as at the beginning."""
        return log.upto(max(at, self.begins))

    def state(self, log: Log, count: int) -> list[Version]:
        """The objects that live after the first `count` versions, in the order of namespace and name."""
        name = log.resource.qualified, count
        with self._lock:
            known = self._states.get(name)
            if known is None:
                base = max((n for kind, n in self._states if kind == name[0] and n < count), default=0)
                known = _applied(self._states.get((name[0], base), []), log.versions[base:count])
                while len(self._states) >= _KEPT_STATES:
                    del self._states[next(iter(self._states))]
            else:
                del self._states[name]  # moved to the end: the oldest unused goes first
            self._states[name] = known
        return known


def _moments(logs: Iterable[Log]) -> Iterator[tuple[Micros, int]]:
    """(time, resourceVersion) of everything that was seen."""
    for log in logs:
        yield from ((version.at, version.position) for version in log.versions)
        yield from log.bookmarks


def _applied(state: list[Version], changes: list[Version]) -> list[Version]:
    """The state after some changes; equal keys are one object, whatever their uid."""
    objects: dict[Key, Version] = {version.key: version for version in state}
    for version in changes:
        if version.change != DELETED:
            objects[version.key] = version
        elif version.key in objects and objects[version.key].uid == version.uid:
            del objects[version.key]
    return [objects[key] for key in sorted(objects, key="/".join)]
