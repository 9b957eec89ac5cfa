"""A simulated API server for one kind: a history that compacts, and faults by a schedule. Nothing waits, nothing is random.

It stands where `Cluster` stands. Time moves with every change of the world, a second each, so that a declared gap can be
compared with when things really happened.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from afscope.capture.kube.errors import ApiError, Unreachable, api_error
from afscope.model.clock import Micros
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
    """The object after a change."""
    meta = {"name": change.name, "namespace": "air", "uid": change.uid, "resourceVersion": str(change.version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": {"phase": "Running"}}


class Server:
    """Answers lists and watches of a world. Each request takes the next fault of the schedule; then there are none."""

    def __init__(self, world: World, faults: list[str], *, page: int = 2) -> None:
        self.world, self.faults, self.page = world, faults, page
        self._snapshots: dict[str, list[Change]] = {}

    def get(self, _path: str, query: Mapping[str, Any], *, timeout_s: float) -> bytes:
        """A page of a list."""
        fault = self._fault(listing=True)
        self.world.turn()
        if fault:
            self.world.turn()
            raise fault
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
    def stream(self, _path: str, query: Mapping[str, Any], *, idle_s: float) -> Iterator[Iterator[bytes]]:
        """A watch."""
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
        yield self._frames(since, fault or "", budget=_FRAMES.get(fault, 3) if fault else None)

    def _frames(self, since: int, fault: str, budget: int | None) -> Iterator[bytes]:
        """Everything after `since`, while the world goes on; after `budget` frames the fault."""
        for sent, (change, behind) in enumerate(self._changes(since)):
            if budget is not None and sent >= budget:
                break
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

    def _changes(self, since: int) -> Iterator[tuple[Change, bool]]:
        """Changes, and whether there are more that have happened already. A watch without news lasts its time."""
        place = 0
        while True:
            while place < len(self.world.history):
                change = self.world.history[place]
                place += 1
                if change.version > since:
                    yield change, place < len(self.world.history)
            if self.world.turn() is None:
                self.world.pace.step(10)
                return

    def _fault(self, *, listing: bool) -> Any:
        """An exception for what fails at once, a word for what befalls a stream, None for nothing."""
        fault = self.faults.pop(0) if self.faults else ""
        if fault.startswith("http"):
            return ApiError(int(fault[4:]), "Expired" if fault == "http410" else "", fault)
        if fault == "refused":
            return Unreachable("connection refused")
        return None if listing else fault or None


# How many frames a watch brings before its fault.
_FRAMES = {"early": 0, "empty": 0, "behind": 1}
HARMLESS = ("", "http429", "http500", "refused", "cut", "torn", "early", "empty", "behind", "twice", "bookmark", "end",
            "error500")  # fmt: skip
"""Faults that lose nothing, as long as the server keeps its history."""
FAULTS = (*HARMLESS, "http410", "http403", "http404", "error410")
