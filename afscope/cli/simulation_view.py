"""A simulation for people and as the JSON contract of `afscope simulate` words it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from afscope.cli.options import People, duration
from afscope.cli.output import plain, rendered
from afscope.cli.words import word
from afscope.model.clock import rfc3339
from afscope.model.simulation import Fidelity, Outcome, Simulation

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
_SHOWN_MISMATCHES = 5


def simulation_document(found: Sequence[Simulation], seed: int) -> dict[str, Any]:
    """`simulate -o json`: one document per target, and on top the fidelity of all with the outcomes of the target
    that waited most."""
    first = max(found, key=lambda simulation: simulation.recorded.wait_total_s)
    return {
        "schema_version": SCHEMA_VERSION,
        "target": first.target,
        "seed": seed,
        "draws": first.draws,
        "fidelity": _fidelity([simulation.fidelity for simulation in found]),
        **_outcomes(first),
        "targets": [
            {
                "target": simulation.target,
                "draws": simulation.draws,
                "fidelity": _fidelity([simulation.fidelity]),
                **_outcomes(simulation),
            }
            for simulation in found
        ],
    }


def _fidelity(parts: Sequence[Fidelity]) -> dict[str, Any]:
    doubtful = [part for part in parts if not part.trusted]
    return {
        "writes": {"total": sum(p.writes_total for p in parts), "matched": sum(p.writes_matched for p in parts)},
        "syncs": {"observed": sum(p.syncs_observed for p in parts), "matched": sum(p.syncs_matched for p in parts)},
        "unobservable": sum(p.unobservable for p in parts),
        "metric_width": round(max(p.metric_width for p in parts), 3),
        "trusted": not doubtful,
        "because": (doubtful or list(parts))[0].because,
        "mismatches": [
            {
                "at": rfc3339(m.at),
                "kind": m.kind,
                "target": m.target,
                "recorded": m.recorded,
                "expected": m.expected,
                "because": m.because,
            }
            for part in parts
            for m in part.mismatches
        ],
    }


def _outcomes(simulation: Simulation) -> dict[str, Any]:
    bill = simulation.bill
    return {
        "recorded": _outcome(simulation.recorded),
        "baseline": _outcome(simulation.baseline),
        "variants": [_outcome(variant) for variant in simulation.variants],
        "scale_to_zero": None
        if bill is None
        else {
            "cold_starts": bill.cold_starts,
            "warm": bill.warm,
            "waiting_saved_s": round(bill.waiting_saved_s, 1),
            "idle_pod_hours": round(bill.idle_pod_hours, 4),
            "cron": bill.cron,
            "because": bill.because,
        },
        "notes": list(simulation.notes),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "set": outcome.set,
        "wait_p50_s": round(outcome.wait_p50_s, 3),
        "wait_p95_s": round(outcome.wait_p95_s, 3),
        "wait_total_s": round(outcome.wait_total_s, 3),
        "lost_task_seconds": round(outcome.lost_task_seconds, 3),
        "pod_hours": round(outcome.pod_hours, 4),
        "ci": {name: [round(low, 4), round(high, 4)] for name, (low, high) in outcome.ci.items()},
        "replicas": [[rfc3339(at), size] for at, size in outcome.replicas],
        "finished_at": None if outcome.finished_at is None else rfc3339(outcome.finished_at),
        "unfinished": outcome.unfinished,
    }


def simulation_text(found: Sequence[Simulation], who: People) -> str:
    """All targets as text for a terminal."""
    return rendered(lambda console: _draw(console, found, who))


def _draw(console: "Console", found: Sequence[Simulation], who: People) -> None:
    from rich.text import Text

    for number, simulation in enumerate(found):
        if number:
            console.print()
        console.print(Text(plain(simulation.target), style="bold"))
        _draw_fidelity(console, simulation.fidelity, who)
        console.print()
        _draw_outcomes(console, simulation, who)
        for note in simulation.notes:
            console.print(Text(f"  * {note}"))
        if simulation.bill is not None:
            console.print(Text(f"\n{word(who.lang, 'bill')}: {simulation.bill.because}"))
            if simulation.bill.cron:
                console.print(Text(simulation.bill.cron.rstrip()))


def _draw_fidelity(console: "Console", fidelity: Fidelity, who: People) -> None:
    from rich.text import Text

    counts = word(who.lang, "fidelity_counts").format(
        writes=f"{fidelity.writes_matched}/{fidelity.writes_total}",
        syncs=f"{fidelity.syncs_matched}/{fidelity.syncs_observed}",
        unobservable=fidelity.unobservable,
        width=f"{fidelity.metric_width:.3f}",
    )
    console.print(Text(f"{word(who.lang, 'fidelity')}: {counts}"))
    console.print(Text(f"  {fidelity.because}", style="" if fidelity.trusted else "bold red"))
    for miss in fidelity.mismatches[:_SHOWN_MISMATCHES]:
        said = f"  {who.clock(miss.at)} {miss.kind}: {miss.recorded}"
        if miss.expected:
            said += f" ({word(who.lang, 'expected')} {miss.expected})"
        console.print(Text(f"{said}: {miss.because}"))
    if len(fidelity.mismatches) > _SHOWN_MISMATCHES:
        console.print(Text(f"  +{len(fidelity.mismatches) - _SHOWN_MISMATCHES} {word(who.lang, 'more')}"))


def _draw_outcomes(console: "Console", simulation: Simulation, who: People) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(word(who.lang, "waited"), overflow="fold", min_width=20)
    for key in ("wait_p50", "wait_p95", "wait_sum", "lost_work", "pod_hours", "peak", "never_ran"):
        table.add_column(word(who.lang, key), justify="right", no_wrap=True)
    rows = [(word(who.lang, "recorded"), simulation.recorded), (word(who.lang, "baseline"), simulation.baseline)]
    rows += [(" ".join(f"{k}={v}" for k, v in variant.set.items()), variant) for variant in simulation.variants]
    for name, outcome in rows:
        table.add_row(
            Text(plain(name)),
            _ranged(outcome, "wait_p50_s", outcome.wait_p50_s),
            _ranged(outcome, "wait_p95_s", outcome.wait_p95_s),
            duration(outcome.wait_total_s),
            duration(outcome.lost_task_seconds),
            f"{outcome.pod_hours:.2f}",
            str(max((size for _, size in outcome.replicas), default=0)),
            str(outcome.unfinished),
        )
    console.print(table)
    console.print(Text(f"  {word(who.lang, 'draws').format(draws=simulation.draws)}"))


def _ranged(outcome: Outcome, name: str, value: float) -> str:
    """A number of seconds with the half width of its interval over the draws."""
    low, high = outcome.ci.get(name, (value, value))
    return duration(value) if high - low < 0.1 else f"{duration(value)} ±{(high - low) / 2:.1f}"


def settings_text(lang: str) -> str:
    """The settings that a variant may change, for a terminal."""
    from afscope.simulate.settings import SETTINGS

    def draw(console: "Console") -> None:
        from rich.padding import Padding
        from rich.text import Text

        for setting in SETTINGS.values():
            console.print(Text(f"{setting.name} = {setting.default} {setting.unit}".rstrip(), style="bold"))
            console.print(Padding(Text(setting.text(lang)), (0, 0, 0, 4)))

    return rendered(draw)
