"""A simulated API server for one kind: a history that compacts, faults by a schedule. Nothing waits, nothing is random.

It stands where `Cluster` stands. Time moves with every change of the world, a second each, so that a declared gap can be
compared with when things really happened.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from afscope.capture.kube.errors import ApiError, Silent, Unreachable, api_error
from afscope.model.clock import SECOND, Micros, rfc3339
from afscope.model.pace import ScaledPace


class Change(NamedTuple):
    """One change of the world: what became of which object, under which version, when."""

    at: Micros
    version: int
    change: str
    name: str
    uid: str


@dataclass
class World:
    """Objects by name, and everything that ever happened to them. `plan` is what happens next, a name at a time."""

    pace: ScaledPace
    plan: list[tuple[str, str]]
    history: list[Change] = field(default_factory=list)
    live: dict[str, Change] = field(default_factory=dict)
    version: int = 100
    compacted: int = 0
    """Watches from before this version are too old."""
    listed_at: Micros = 0
    """When the first complete list was given away; 0 before that."""
    ended_at: Micros = 0
    """When the recording was to end."""

    def turn(self) -> Change | None:
        """The next change of the plan that makes sense; None when nothing is left."""
        while self.plan:
            what, name = self.plan.pop(0)
            known = self.live.get(name)
            if what == "write":
                uid = known.uid if known else f"{name}-{self.version}"
                return self._happens("MODIFIED" if known else "ADDED", name, uid)
            if what == "delete" and known:
                return self._happens("DELETED", name, known.uid)
            if what == "compact":
                self.compacted = self.version
        return None

    def _happens(self, change: str, name: str, uid: str) -> Change:
        self.pace.step(1)
        self.version += 1
        happened = Change(self.pace.now(), self.version, change, name, uid)
        self.history.append(happened)
        if change == "DELETED":
            del self.live[name]
        else:
            self.live[name] = happened
        return happened


def body(change: Change) -> dict[str, Any]:
    """The object after a change, with who wrote it and when, as an API server notes at each write."""
    written = {"manager": "kubelet", "operation": "Update", "time": rfc3339(change.at // SECOND * SECOND)}
    meta = {"name": change.name, "namespace": "air", "uid": change.uid, "resourceVersion": str(change.version),
            "managedFields": [written]}  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": {"phase": "Running"}}


class Line:
    """An open watch, as `Stream` is one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.stopped = False

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


class Server:
    """Answers lists and watches of a world. Each request takes the next fault of the schedule; then there are none.

    `half_open:N`: an open watch goes dead for N seconds, and then brings what it owes, if somebody still listens.
    `stopped:N`: the same, and then the recording ends. In a list the first means no answer; the other waits for a watch.
    """

    def __init__(self, world: World, faults: list[str], stop: threading.Event, *, page: int = 2) -> None:
        self.world, self.faults, self.page, self.stop = world, faults, page, stop
        self._snapshots: dict[str, list[Change]] = {}
        self._line: Line | None = None

    def get(self, _path: str, query: Mapping[str, Any], *, timeout_s: float, last: bool = False) -> bytes:
        """A page of a list."""
        assert last == self.stop.is_set(), "after the end only last questions are asked, and before it none"
        fault = self._fault(listing=True)
        self.world.turn()
        if fault == "silent":
            self._pass(timeout_s)
            raise Unreachable("read timed out")
        if fault:
            self.world.turn()
            raise fault
        if query["limit"] == 1:  # what is asked for is its version
            meta = {"resourceVersion": str(self.world.version), "continue": "more"}
            return json.dumps({"metadata": meta, "items": []}).encode()
        token = str(query.get("continue", ""))
        if token:
            version, start = token.split(":")
            snapshot, first = self._snapshots[version], int(start)
        else:
            version, first = str(self.world.version), 0
            snapshot = self._snapshots[version] = list(self.world.live.values())
        end = first + self.page
        more = f"{version}:{end}" if end < len(snapshot) else ""
        if not more and not self.world.listed_at:
            self.world.listed_at = self.world.pace.now()
        items = [body(change) for change in snapshot[first:end]]
        return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": items}).encode()

    @contextmanager
    def stream(self, _path: str, query: Mapping[str, Any], *, idle_s: float, last: bool = False) -> Iterator[Line]:
        """A watch."""
        assert last == self.stop.is_set()
        fault = self._fault(listing=False)
        if isinstance(fault, Exception):
            self.world.turn()  # the world does not wait for us
            self.world.turn()
            raise fault
        since = int(query["resourceVersion"])
        if since < self.world.compacted:
            raise api_error(
                410, b'{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}'
            )
        fault = fault or ""
        self._line = Line(self._frames(since, fault, _FRAMES.get(fault, 3) if fault else None, query, idle_s))
        yield self._line

    def _frames(
        self, since: int, fault: str, budget: int | None, query: Mapping[str, Any], idle_s: float
    ) -> Iterator[bytes]:
        """Everything after `since`, while the world goes on; after `budget` frames the fault."""
        what, _, length = fault.partition(":")
        dead = int(length or 0)
        ends = self.world.pace.now() + query["timeoutSeconds"] * SECOND
        for sent, (change, behind) in enumerate(self._changes(since, ends)):
            if dead and sent >= dead % 4:  # none to three frames come before it
                self._dies(what, dead, idle_s)
                dead = 0
            if budget is not None and not length and sent >= budget:
                break
            if self._line is not None and self._line.stopped:
                return
            line = json.dumps({"type": change.change, "object": body(change)}).encode() + b"\n"
            if fault == "torn" and sent == 1:
                yield line[: len(line) // 2]
                raise Unreachable("connection reset")
            yield line[:7]
            yield line[7:]
            if fault == "twice":
                yield line
            if fault == "bookmark" and not behind:  # a server has none to send before the past is told
                mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(change.version)}}}
                yield json.dumps(mark).encode() + b"\n"
        if fault in ("error410", "error500"):
            code = int(fault[5:])
            status = {"kind": "Status", "code": code, "reason": "Expired" if code == 410 else "", "message": fault}
            yield json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
        if fault in ("cut", "early", "behind"):
            raise Unreachable("connection reset")
        if dead:
            self._dies(what, dead, idle_s)

    def _dies(self, what: str, seconds: int, idle_s: float) -> None:
        """Nothing comes for some time, while the world goes on."""
        self._pass(min(seconds, idle_s))
        if what == "stopped":
            self.stop.set()
            if self._line is not None:
                self._line.stopped = True
        elif seconds >= idle_s:
            raise Silent("read timed out")

    def _pass(self, seconds: float) -> None:
        """Time goes by in the world."""
        until = self.world.pace.now() + round(seconds * SECOND)
        while self.world.pace.now() < until:
            if self.world.turn() is None:
                self.world.pace.step(1)

    def _changes(self, since: int, ends: Micros) -> Iterator[tuple[Change, bool]]:
        """Changes, and whether there are more that have happened already; until the watch's time is over."""
        place = 0
        while True:
            while place < len(self.world.history):
                change = self.world.history[place]
                place += 1
                if change.version > since:
                    yield change, place < len(self.world.history)
            if self.world.pace.now() >= ends or self.world.turn() is None:
                self.world.pace.step(1)
                return

    def _fault(self, *, listing: bool) -> Any:
        """An exception for what fails at once, a word for what befalls a stream, None for nothing."""
        if listing and self.faults and self.faults[0].startswith("stopped"):
            return None  # it waits for a watch
        fault = self.faults.pop(0) if self.faults else ""
        if fault.startswith("http"):
            return ApiError(int(fault[4:]), "Expired" if fault == "http410" else "", fault)
        if fault == "refused":
            return Unreachable("connection refused")
        if listing:
            return "silent" if ":" in fault else None
        return fault or None


# How many frames a watch brings before its fault.
_FRAMES = {"early": 0, "empty": 0, "behind": 1}
HARMLESS = ("", "http429", "http500", "refused", "cut", "torn", "early", "empty", "behind", "twice", "bookmark", "end",
            "error500")  # fmt: skip
"""Faults that lose nothing, as long as the server keeps its history."""
FAULTS = (*HARMLESS, "http410", "http403", "http404", "error410")
