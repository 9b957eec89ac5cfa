"""What-if in a report: the settings that the verdict itself puts into question, simulated where that can be trusted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from afscope.errors import UsageError
from afscope.model.finding import STAGES, Finding, Role
from afscope.model.simulation import Outcome, Simulation
from afscope.model.text import harmless
from afscope.report.content import Look, Table, WhatIf

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

# The way from KEDA to the HPA, on which faults can be thought away.
_FAULTY = frozenset(STAGES[STAGES.index("trigger") : STAGES.index("create")])
_LONGEST = 60


def what_if(
    opened: "Investigation", look: Look, variants: Sequence[Mapping[str, str]] = (), *, seed: int = 0
) -> tuple[WhatIf, ...]:
    """One section per target; without `variants` those that the findings suggest; empty where nothing can be asked."""
    from afscope.simulate import simulate

    out = []
    for target in opened.targets():
        asked = list(variants) or list(suggested(opened.analysis.findings, target))
        if not asked:
            continue
        try:
            found = simulate(opened, asked, target=str(target["target"]), seed=seed, lang=look.lang)
        except UsageError:
            if variants:
                raise
            continue  # what nobody asked for and cannot be simulated is left out
        out += [_section(simulation, look) for simulation in found]
    return tuple(out)


def suggested(findings: Sequence[Finding], target: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """Changes that answer a blamed finding: no fault, a higher ceiling, a worker that stays, tasks that may finish."""
    blamed = [
        f for f in findings if f.role in (Role.ROOT_CAUSE, Role.CONTRIBUTING) and f.target in ("", target["target"])
    ]
    causes = {finding.cause for finding in blamed}
    ceiling, least = target.get("max_replica_count"), target.get("min_replica_count")
    if "max_replicas_ceiling" in causes and isinstance(ceiling, int):
        yield {"maxReplicaCount": str(ceiling * 2)}
    if any(f.stage in _FAULTY and f.component not in ("autoscaler-settings", "trigger") for f in blamed):
        yield {"faults": "none"}
    if any(f.cost.lost_task_seconds for f in blamed):
        yield {"sigterm": "drain"}
    if least == 0:
        yield {"minReplicaCount": "1"}


def _section(simulation: Simulation, look: Look) -> WhatIf:
    told = simulation.fidelity
    trust = look.say("fidelity", matched=told.writes_matched, total=told.writes_total, width=f"{told.metric_width:.2g}")
    heads = tuple(look.say(key) for key in ("t_setting", "t_p50", "t_p95", "t_lost", "t_podhours"))
    rows = [
        _row(look.say("as_recorded"), simulation.recorded, look),
        _row(look.say("as_it_was"), simulation.baseline, look),
        *(_row(_name(variant), variant, look) for variant in simulation.variants),
    ]
    return WhatIf(
        target=harmless(simulation.target),
        trust=trust,
        warning="" if told.trusted else look.say("untrusted", because=harmless(told.because)),
        table=Table(heads, tuple(rows)),
    )


def _name(outcome: Outcome) -> str:
    return ", ".join(f"{name} = {harmless(value)[:_LONGEST]}" for name, value in outcome.set.items())


def _row(name: str, outcome: Outcome, look: Look) -> tuple[str, ...]:
    return (
        name,
        look.span(outcome.wait_p50_s),
        _ranged(look.span(outcome.wait_p95_s), [look.span(bound) for bound in outcome.ci.get("wait_p95_s", ())]),
        _ranged(
            look.span(outcome.lost_task_seconds),
            [look.span(bound) for bound in outcome.ci.get("lost_task_seconds", ())],
        ),
        _ranged(f"{outcome.pod_hours:.2f}", [f"{bound:.2f}" for bound in outcome.ci.get("pod_hours", ())]),
    )


def _ranged(value: str, bounds: Sequence[str]) -> str:
    """A value with its interval, where the interval says something."""
    return value if not bounds or set(bounds) == {value} else f"{value} ({bounds[0]} – {bounds[-1]})"
