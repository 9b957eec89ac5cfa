"""Fidelity: are the recorded decisions those that the rules reach from what was recorded?

The controller's memory is carried along as a set of possible memories: each sync multiplies it by the possible inputs
and keeps what fits the recorded decision. A decision matches when at least one is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from afscope.control.history import History, Sample
from afscope.control.hpa import Controller, HpaSpec, Observed
from afscope.control.sync import Decision, sync
from afscope.engine.waits import micros
from afscope.model.clock import SECOND, Micros
from afscope.model.simulation import SYNC, WRITE, Fidelity, Mismatch
from afscope.model.stop import Stop
from afscope.simulate import keda_writes
from afscope.simulate.inputs import FAR, NEAR, Series, Sizes, possible, series, sizes
from afscope.simulate.looks import Beat, Look, beat, looks
from afscope.simulate.words import say

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation
    from afscope.engine.session import Session
    from afscope.simulate.world import Group

WRITES_LEAST, SYNCS_LEAST, WIDTH_MOST = 0.95, 0.99, 1.0
"""Below these a what-if is not to be trusted: shares of matched writes and syncs, width of the metric in replicas."""

_MOST_MEMORIES = 400
_NEAR: Micros = 5 * SECOND
_UNMODELLED = frozenset({"FailedGetScale"})


class Memory(NamedTuple):
    """What the controller may remember, and what it saw last."""

    history: History
    seen: Observed | None


@dataclass(slots=True)
class _Tally:
    target: str
    writes: int = 0
    writes_matched: int = 0
    syncs: int = 0
    syncs_matched: int = 0
    unobservable: int = 0
    widths: list[float] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)

    def count(self, kind: str, *, matched: bool) -> None:
        if kind == WRITE:
            self.writes += 1
            self.writes_matched += matched
        else:
            self.syncs += 1
            self.syncs_matched += matched


def check(investigation: "Investigation", group: "Group", lang: str = "en", stop: Stop | None = None) -> Fidelity:
    """Re-derives every recorded decision of one target. Raises QueryError when `stop` called it off."""
    session = investigation.session
    found = looks(session, group.name)
    counted = investigation.assessable("task_instances")
    demand = series(session, group.counter, investigation.capture.ended_at) if counted else None
    shown = sizes(session, group.name)
    tally = _Tally(group.name)
    replay = _Replay(tally, demand, shown, beat(found), group.controller, _restarts(session), lang)
    told = replay.run(found, stop or Stop())
    for change in session.dicts(
        "FROM decisions WHERE target = $t AND before IS NOT NULL ORDER BY moment", {"t": group.name}
    ):
        at = micros(change["moment"])
        if change["author"] == "keda":
            _keda(tally, keda_writes.check(session, group, demand, at, change["before"], change["after"], lang), at)
        elif change["author"] == "hpa" and not any(
            abs(at - when) <= _NEAR and size == change["after"] for when, size in told
        ):
            tally.count(WRITE, matched=False)
            recorded = f"{change['before']} → {change['after']}"
            tally.mismatches.append(Mismatch(at, WRITE, group.name, recorded, "", say(lang, "no_status")))
    return _judged(tally, lang)


def _keda(tally: _Tally, result: keda_writes.Checked, at: Micros) -> None:
    tally.count(WRITE, matched=not result.because)
    if result.because:
        tally.mismatches.append(Mismatch(at, WRITE, tally.target, result.recorded, result.expected, result.because))


def _judged(tally: _Tally, lang: str) -> Fidelity:
    width = median(tally.widths) if tally.widths else 0.0
    writes = tally.writes_matched / tally.writes if tally.writes else 1.0
    syncs = tally.syncs_matched / tally.syncs if tally.syncs else 1.0
    if not tally.writes:
        trusted, because = False, say(lang, "nothing_to_check")
    elif writes < WRITES_LEAST or syncs < SYNCS_LEAST:
        trusted, because = False, say(
            lang, "low", writes=f"{writes:.0%}", syncs=f"{syncs:.0%}", w=f"{WRITES_LEAST:.0%}", s=f"{SYNCS_LEAST:.0%}"
        )  # fmt: skip
    elif width > WIDTH_MOST:
        trusted, because = False, say(lang, "wide", width=f"{width:.2f}", most=f"{WIDTH_MOST:g}")
    else:
        trusted, because = True, say(lang, "good", w=f"{WRITES_LEAST:.0%}", s=f"{SYNCS_LEAST:.0%}")
    return Fidelity(
        tally.writes, tally.writes_matched, tally.syncs, tally.syncs_matched, tally.unobservable,
        tuple(sorted(tally.mismatches, key=lambda m: m.at)), width, trusted, because,
    )  # fmt: skip


def _restarts(session: "Session") -> list[Micros]:
    """When kube-controller-manager changed its leader: the memory of the HPA controller is lost then."""
    rows = session.run(
        """SELECT seen_at FROM (SELECT seen_at, holder, lag(holder) OVER (ORDER BY seen_at) AS before FROM leases
            WHERE name = 'kube-controller-manager' AND change <> 'DELETED')
        WHERE before IS NOT NULL AND holder IS DISTINCT FROM before ORDER BY seen_at"""
    ).rows
    return [micros(at) for (at,) in rows]


@dataclass(slots=True)
class _Replay:
    """The HPA's recorded syncs, one after the other."""

    tally: _Tally
    demand: Series | None
    shown: Sizes
    beat: Beat
    controller: Controller
    restarts: Sequence[Micros]
    lang: str
    memories: list[Memory] = field(default_factory=list)

    def run(self, found: Sequence[Look], stop: Stop) -> list[tuple[Micros, int]]:
        """Checks each look; returns the writes that they tell of."""
        told, before = [], None
        for look in found:
            stop.check()
            if before is None or before.uid != look.uid:
                self.memories = self._unknown(look) if look.found else [Memory(History(), None)]
            else:
                self._quiet(before, look)
                if any(before.at < at <= look.at for at in self.restarts):
                    self.memories.append(Memory(History(), None))
            before = look
            if look.able in _UNMODELLED or (look.found and look.current == 0):
                continue
            wrote = look.able == "SucceededRescale" and look.desired != look.current
            if wrote:
                told.append((look.at, look.desired))
            if not look.found:
                self._look(look, WRITE if wrote else SYNC)
        return told

    def _unknown(self, look: Look) -> list[Memory]:
        """Before the recording: any higher recommendation of any age inside the window may be remembered."""
        spec = look.spec
        if spec is None:
            return [Memory(History(), None)]
        window = self.controller.downscale_window_s
        if spec.behavior is not None and spec.behavior.down.window_s is not None:
            window = spec.behavior.down.window_s
        ages = range(0, window + 1, max(15, window // 20))
        # Recommendations are remembered before they are limited: one above the maximum stands for all of those.
        higher = range(look.desired, min(spec.max_replicas, look.desired + 100) + 2)
        seeds = [History((Sample(size, look.at - age * SECOND),)) for size in higher for age in ages]
        return [Memory(seed, None) for seed in (History((Sample(0, look.at),)), *seeds)]

    def _quiet(self, before: Look, look: Look) -> None:
        """The syncs in between left no trace, so they saw and decided what the status before says."""
        if before.spec is None:
            return
        at = self.beat.after(before.at)
        while at + self.beat.period // 2 < look.at:
            self.tally.unobservable += 1
            self.memories = [self._repeated(memory, before.spec, at) for memory in self.memories]
            at = self.beat.after(at)
        self.memories = _distinct(self.memories)

    def _repeated(self, memory: Memory, spec: HpaSpec, at: Micros) -> Memory:
        if memory.seen is None:
            return memory
        history, decision = sync(memory.history, spec, memory.seen, at, self.controller)
        return memory if decision.writes else Memory(history, memory.seen)

    def _look(self, look: Look, kind: str) -> None:
        if look.spec is None:
            self._miss(look, kind, (), say(self.lang, "not_external", why=look.unmodelled))
            return
        # The status is seen after the sync, by another clock: at the edge of a window that decides.
        for shift, reach in ((0, NEAR), (-SECOND, NEAR), (SECOND, NEAR), (0, FAR)):
            inputs = list(possible(look, self.demand, self.shown, reach))
            tried = self._tried(self.memories, look, inputs, look.at + shift)
            fitting = [(memory, decision) for memory, decision in tried if _fits(decision, look)]
            if fitting:
                break
        self.tally.count(kind, matched=bool(fitting))
        self._width(look, [memory.seen for memory, _ in fitting])
        if not fitting:
            fresh = self._tried([Memory(History(), None)], look, inputs, look.at)
            again = [(memory, decision) for memory, decision in fresh if _fits(decision, look)]
            self._miss(
                look,
                kind,
                [decision for _, decision in tried],
                self._why(inputs, restarted=bool(again)),
                counted=True,
            )
            fitting = again or tried
        self.memories = _distinct([_after(memory, decision, look) for memory, decision in fitting]) or self.memories

    def _tried(
        self, memories: Iterable[Memory], look: Look, inputs: Sequence[Observed], at: Micros
    ) -> list[tuple[Memory, Decision]]:
        out: list[tuple[Memory, Decision]] = []
        if (spec := look.spec) is None:
            return out
        for memory in memories:
            for seen in inputs:
                history, decision = sync(memory.history, spec, seen, at, self.controller)
                out.append((Memory(_pruned(history, spec, at, self.controller), seen), decision))
        return out

    def _width(self, look: Look, seen: Sequence[Observed | None]) -> None:
        readings = [o.readings[0] for o in seen if o is not None and o.readings and o.readings[0] is not None]
        values = [value for value in readings if value is not None]
        if values and look.spec is not None and look.current:
            self.tally.widths.append((max(values) - min(values)) / look.spec.metrics[0].target_milli)

    def _why(self, inputs: Sequence[Observed], *, restarted: bool) -> str:
        if restarted:
            return say(self.lang, "as_restarted")
        if not inputs:
            return say(self.lang, "no_input")
        if len({seen.status_replicas for seen in inputs}) > 1:
            return say(self.lang, "moving")
        if self.demand is None:
            return say(self.lang, "no_rows")
        return say(self.lang, "unseen")

    def _miss(
        self, look: Look, kind: str, decisions: Sequence[Decision], because: str, *, counted: bool = False
    ) -> None:
        if not counted:
            self.tally.count(kind, matched=False)
        recorded = f"{look.current} → {look.desired} {look.able} {look.limited}".rstrip()
        expected = " | ".join(
            dict.fromkeys(f"{d.current} → {d.desired} {d.able} {d.limited or ''}".rstrip() for d in decisions[:4])
        )
        self.tally.mismatches.append(Mismatch(look.at, kind, self.tally.target, recorded, expected, because))


def _fits(decision: Decision, look: Look) -> bool:
    """Whether a decision is the recorded one, in size and in the words of all three conditions."""
    failed = look.active.startswith("FailedGet") or look.active in ("InvalidSelector", "AmbiguousSelector")
    active = decision.active in (None, look.active) or (failed and decision.active == "FailedGetExternalMetric")
    return (
        decision.desired in (None, look.desired)
        and decision.able == look.able
        and active
        and decision.limited in (None, look.limited)
    )


def _after(memory: Memory, decision: Decision, look: Look) -> Memory:
    """What the next sync sees if nothing changes: the size that was just written."""
    seen = memory.seen
    if seen is None or not decision.writes:
        return memory
    return Memory(
        memory.history,
        Observed(look.desired, seen.status_replicas, seen.readings, seen.ready_pods, seen.pods, seen.write_ok),
    )


def _pruned(history: History, spec: HpaSpec, now: Micros, controller: Controller) -> History:
    """Without samples that can no longer count, so that equal memories are equal."""
    window = controller.downscale_window_s
    period = 0
    if spec.behavior is not None:
        down, up = spec.behavior.down.window_s, spec.behavior.up.window_s
        window = max(window if down is None else down, up or 0)
        period = max(spec.behavior.up.longest_period_s, spec.behavior.down.longest_period_s)
    kept = now - (window + 2) * SECOND
    moved = now - (period + 2) * SECOND
    recommendations = history.recommendations
    return History(
        None if recommendations is None else tuple(s for s in recommendations if s.at >= kept),
        tuple(s for s in history.ups if s.at >= moved),
        tuple(s for s in history.downs if s.at >= moved),
    )


def _distinct(memories: Iterable[Memory]) -> list[Memory]:
    unique: dict[object, Memory] = {}
    for memory in memories:
        seen = memory.seen
        key = memory.history, None if seen is None else (seen.spec_replicas, seen.status_replicas, tuple(seen.readings))
        unique.setdefault(key, memory)
    return list(unique.values())[:_MOST_MEMORIES]
