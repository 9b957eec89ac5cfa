"""A gate on settings: stored incidents, replayed with changed settings, must not wait longer or lose more work.

Only where the simulation re-derives what was recorded can it judge; elsewhere the answer is that it cannot, which is
no pass. Both outcomes come from the same draws, so that what differs is the setting and not the luck.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afscope.model.simulation import Outcome, Simulation

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

# Less than this is no difference to anybody, whatever its share.
LEAST_S = 1.0
MEASURES = ("wait_p95_s", "lost_task_seconds", "unfinished")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One target of one capture: verdict is ok, worse or cannot_tell; `worse` names the measures."""

    capture: str
    target: str
    verdict: str
    because: str
    before: Outcome
    after: Outcome
    worse: tuple[str, ...]


def judge(
    opened: "Investigation",
    name: str,
    after: Mapping[str, str],
    before: Mapping[str, str] | None = None,
    *,
    tolerance: float = 0.05,
    seed: int = 0,
) -> list[Judgement]:
    """All targets of one capture. `before` are other settings to compare with; None means those of the recording.

    Raises UsageError for settings that make no sense and captures without a target.
    """
    from afscope.simulate import simulate

    variants: Sequence[Mapping[str, str]] = [after] if before is None else [after, before]
    return [_judged(name, found, before is None, tolerance) for found in simulate(opened, variants, seed=seed)]


def _judged(name: str, found: Simulation, as_recorded: bool, tolerance: float) -> Judgement:
    after, before = found.variants[0], found.baseline if as_recorded else found.variants[1]
    worse = tuple(_worse(before, after, tolerance))
    if not found.fidelity.trusted:
        return Judgement(name, found.target, "cannot_tell", found.fidelity.because, before, after, worse)
    if worse:
        said = "; ".join(f"{m} {getattr(before, m):.1f} -> {getattr(after, m):.1f}" for m in worse)
        return Judgement(name, found.target, "worse", said, before, after, worse)
    return Judgement(name, found.target, "ok", "neither the waits nor the lost work grew", before, after, ())


def _worse(before: Outcome, after: Outcome, tolerance: float) -> Iterator[str]:
    for measure in MEASURES:
        old, new = float(getattr(before, measure)), float(getattr(after, measure))
        if new > old * (1 + tolerance) + (0 if measure == "unfinished" else LEAST_S):
            yield measure
