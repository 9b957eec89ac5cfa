"""Replays what KEDA and the HPA decided, proves that it does on the recording itself, then asks what-if.

`simulate` is the way in. The rules are those of `afscope.control`; nothing here knows a rule of its own.
"""

from collections.abc import Mapping, Sequence
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING

from afscope.errors import UsageError
from afscope.model.simulation import Simulation
from afscope.model.stop import Stop
from afscope.simulate.settings import SETTINGS, Setting, parse

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation
    from afscope.model.simulation import Outcome
    from afscope.simulate.machine import Run
    from afscope.simulate.world import World

__all__ = ["DRAWS", "SETTINGS", "Setting", "simulate"]

DRAWS = 20
# Large captures average by themselves: fewer draws then, so that a variant stays a matter of seconds.
_MOST_JOBS, _FEWEST = 200_000, 3


def simulate(
    investigation: "Investigation",
    variants: Sequence[Mapping[str, str]] = (),
    *,
    target: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    lang: str = "en",
    stop: Stop | None = None,
) -> tuple[Simulation, ...]:
    """One simulation per target (or of `target`), each with the baseline and all variants over the same draws.

    A variant maps names of SETTINGS to texts. Raises UsageError for unknown settings and targets, for settings that
    make no sense, and where the capture has no target; QueryError when `stop` called it off.
    """
    stop = stop or Stop()
    with investigation.session.under(stop):
        return _simulate(investigation, variants, target, draws, seed, lang, stop)


def _simulate(
    investigation: "Investigation",
    variants: Sequence[Mapping[str, str]],
    target: str | None,
    draws: int,
    seed: int,
    lang: str,
    stop: Stop,
) -> tuple[Simulation, ...]:
    if draws < 1:
        raise UsageError(f"draws {draws} makes no sense", "it takes a whole number from 1")
    for variant in variants:
        parse(variant)
    names = [row["target"] for row in investigation.targets()]
    if target is not None and target not in names:
        raise UsageError(f"no target {target!r} in this capture", f"it has: {', '.join(names) or 'none'}")
    if not names:
        raise UsageError(
            "nothing to simulate: this capture has no scaled worker group",
            "a ScaledObject whose trigger reads task_instance, or whose pods run Celery workers, makes one",
        )

    from afscope.simulate import world as worlds

    world = worlds.load(investigation, stop)
    fewer = max(_FEWEST, _MOST_JOBS // max(1, len(world.demand.jobs)))
    return tuple(
        _one(investigation, world, name, variants, min(draws, fewer), seed, lang, stop)
        for name in names
        if target in (None, name)
    )


def _one(
    investigation: "Investigation",
    world: "World",
    name: str,
    variants: Sequence[Mapping[str, str]],
    draws: int,
    seed: int,
    lang: str,
    stop: Stop,
) -> Simulation:
    from afscope.simulate import bill, fidelity, outcomes
    from afscope.simulate.variants import adopted, applied, newly_counted
    from afscope.simulate.words import say

    changed = [applied(investigation, world, name, variant) for variant in variants]
    unserved = newly_counted(world, name, changed)
    keys = frozenset(world.demand.jobs[number].key for number in unserved)
    world, *changed = (adopted(one, name, unserved) for one in (world, *changed))
    base = _runs(world, draws, seed, stop)
    baseline = outcomes.simulated(base, name, {})
    cold = round(fmean(run.activations[name] for run in base))
    warm = None
    if cold and world.group(name).target.rests_at == 0:
        warm = _outcome(applied(investigation, world, name, {"minReplicaCount": "1"}), name, {}, draws, seed, stop)
    return Simulation(
        target=name,
        fidelity=fidelity.check(investigation, world.group(name), lang, stop),
        recorded=outcomes.recorded(investigation, name, keys),
        baseline=baseline,
        variants=tuple(
            _outcome(one, name, dict(variant), draws, seed, stop)
            for one, variant in zip(changed, variants, strict=True)
        ),
        bill=bill.bill(investigation, world.group(name), cold, baseline, warm, lang),
        notes=tuple(say(lang, key) for key in world.notes.get(name, ())),
        draws=draws,
    )


def _outcome(world: "World", name: str, settings: dict[str, str], draws: int, seed: int, stop: Stop) -> "Outcome":
    from afscope.simulate.outcomes import simulated

    return simulated(_runs(world, draws, seed, stop), name, settings)


def _runs(world: "World", draws: int, seed: int, stop: Stop) -> "list[Run]":
    """The draws over a world. Every variant gets the same numbers: what differs is the setting, not the luck."""
    from afscope.simulate.machine import Machine

    return [Machine(world, Random(f"{seed}/{draw}"), stop).run() for draw in range(draws)]  # noqa: S311
