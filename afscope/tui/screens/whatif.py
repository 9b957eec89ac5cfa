"""What-if: settings to change, and what the incident would have been with them, beside what it was."""

import time
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.timer import Timer

from afscope.model.browse import Line
from afscope.model.clock import SECOND, Micros
from afscope.model.simulation import Outcome, Simulation
from afscope.model.timeline import Chart, Lane, Step
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.lanes import FewLanes
from afscope.tui.overlays import Prompt
from afscope.tui.rows import Fixed
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import between, duration
from afscope.tui.whatif import simulated

SETTINGS = ("setting", "recorded", "changed", "meaning")
OUTCOMES = ("settings", "p50", "p95", "seconds", "lost", "pod_hours", "unfinished", "finished")
_RECORDED = {
    "maxReplicaCount": "max_replica_count",
    "minReplicaCount": "min_replica_count",
    "pollingInterval": "polling_interval_s",
    "cooldownPeriod": "cooldown_period_s",
    "worker_concurrency": "worker_concurrency",
    "query": "query",
}
"""Where the engine's list of targets has a setting."""


class WhatIf(Body):
    """Settings, outcomes, replicas over time."""

    name_ = "whatif"
    DEFAULT_CSS = """
    WhatIf .about { height: auto; max-height: 5; padding: 0 1; text-style: bold; }
    WhatIf #grid-settings { height: 1fr; } WhatIf #grid-outcomes { height: 1fr; border-top: solid $surface; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.variants: list[dict[str, str]] = [{}]
        self.only = ""
        self._of: tuple[str, tuple[Micros, Micros] | None] | None = None
        """Target and range of the outcomes that are shown."""
        self._result: Text | None = None
        """How far the shown outcomes can be trusted."""
        self._begun = 0.0
        self._ticking: Timer | None = None
        self._about = Still(classes="about", markup=False)
        self._settings = Grid(desk.lang, "grid-settings", tint=_tint, least=28)
        self._outcomes = Grid(desk.lang, "grid-outcomes")
        self._outcomes.empty = self.word("whatif_empty")
        self._replicas = FewLanes(desk.place, desk.titles, desk.lang, "replicas")

    def compose(self) -> ComposeResult:
        """Settings above, what came of them below."""
        yield self._about
        yield self._settings
        yield self._outcomes
        yield self._replicas

    def on_mount(self) -> None:
        """No lanes before the first run."""
        self._replicas.display = False

    @property
    def grid(self) -> Grid:
        """The table in focus."""
        return self._outcomes if self._outcomes.has_focus else self._settings

    @property
    def heart(self) -> Grid:
        """Settings first."""
        return self._settings

    def refill(self) -> None:
        """The settings of the target; outcomes of another target or range are told as such."""
        from afscope.simulate import SETTINGS as KNOWN

        about = next((row for row in self.desk.case.analysis.targets if row.get("target") == self.target), {})
        changed = self.variants[-1]
        lines = []
        for name, setting in KNOWN.items():
            recorded = about.get(_RECORDED.get(name, ""))
            shown = "" if recorded is None else " ".join(str(recorded).split())
            meaning = f"{setting.text(self.desk.lang)}{f' [{setting.unit}]' if setting.unit else ''}"
            lines.append(Line(0, (name, shown or setting.default, changed.get(name, ""), meaning), name))
        self._settings.show(Fixed(SETTINGS, lines, only=self.only), self._settings.row)
        if not self.asking("simulate"):
            self._hint()

    def _hint(self) -> None:
        lines = [Text(self.word("whatif_hint", n=len(self.variants)))]
        of = (self.target, self.desk.place.range)
        if self._result is not None and self._of == of:
            lines = [self._result]
        elif self._of is not None:
            lines.append(Text(self.word("whatif_stale", what=self._named(*self._of)), palette.ORANGE))
        elif of[1] is not None:
            lines.append(Text(self._named(*of), palette.ORANGE))
        self._about.update(Text("\n").join(lines))

    def _named(self, target: str, span: tuple[Micros, Micros] | None) -> str:
        """What a simulation is about."""
        whole = self.desk.place.axis.start, self.desk.place.axis.end
        where = self.word("whatif_range" if span else "whatif_whole", range=between(*(span or whole)))
        return f"{harmless(target)}, {where}"

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """Nothing hangs on the row."""
        event.stop()

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Asks for another value; empty leaves the setting as it was."""
        event.stop()
        if event.grid is not self._settings:
            return
        name, (_, recorded, changed, meaning) = event.line.key, event.line.cells

        def change(value: str | None) -> None:
            if value is None:
                return
            self.variants[-1].pop(name, None)
            if value and value != recorded:
                self.variants[-1][name] = value
            self.refill()

        self.app.push_screen(Prompt(name, changed or recorded, meaning), change)

    def cycle(self) -> None:
        """Begins another variant; those before stay to be compared with."""
        if self.variants[-1]:
            self.variants.append({})
            self.refill()

    def run(self) -> None:
        """Simulates all variants, within the range if there is one."""
        case, of, lang = self.desk.case, (self.target, self.desk.place.range), self.desk.lang
        variants = [dict(variant) for variant in self.variants if variant]
        self._begun = time.monotonic()
        self._tick()
        if self._ticking is None:
            self._ticking = self.set_interval(1.0, self._tick)
        question = partial(simulated, case, variants, of[0], lang, of[1])
        self.ask("simulate", question, lambda found: self._shown(found, of))

    def _tick(self) -> None:
        """Says that it still goes on."""
        if self._ticking is not None and not self.asking("simulate"):
            self._over()
            return
        spent = duration(round((time.monotonic() - self._begun) * SECOND), whole=True)
        what = self._named(self.target, self.desk.place.range)
        self._about.update(Text(self.word("simulating", what=what, spent=spent)))

    def _over(self) -> None:
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None

    def back(self) -> bool:
        """Calls off the simulation under way."""
        if not self.call_off("simulate"):
            return False
        self._over()
        self._about.update(Text(self.word("whatif_called_off"), palette.ORANGE))
        return True

    def left(self) -> None:
        """Nobody waits for the simulation any more."""
        self.back()

    def failed(self, why: str) -> None:
        """Why it could not be simulated."""
        self._over()
        self._about.update(Text(harmless(why), palette.VERMILLION))

    def _shown(self, found: Simulation, of: tuple[str, tuple[Micros, Micros] | None]) -> None:
        self._over()
        self._of = of
        fidelity = found.fidelity
        how = self.word(
            "fidelity", writes=f"{fidelity.writes_matched}/{fidelity.writes_total}",
            syncs=f"{fidelity.syncs_matched}/{fidelity.syncs_observed}", draws=found.draws,
        )  # fmt: skip
        colour = palette.GREEN if fidelity.trusted else palette.ORANGE
        trust = self.word("trusted" if fidelity.trusted else "not_trusted", because=harmless(fidelity.because))
        lines = [Text(self.word("whatif_of", what=self._named(*of))), Text.assemble((f"{trust} ", colour), how)]
        lines += [Text(harmless(note), "dim") for note in found.notes]
        self._result = Text("\n").join(lines)
        self._hint()
        outcomes = [
            (self.word("as_recorded"), found.recorded),
            (self.word("as_simulated"), found.baseline),
            *((_settings(n, variant), variant) for n, variant in enumerate(found.variants)),
        ]
        rows = [Line(0, self._cells(name, outcome), name) for name, outcome in outcomes]
        self._outcomes.show(Fixed(OUTCOMES, rows))
        start, end = of[1] or (self.desk.place.axis.start, self.desk.place.axis.end)
        names = [self.word("col_recorded"), "baseline", *(f"#{n + 1}" for n in range(len(found.variants)))]
        lanes = tuple(_lane(name, outcome) for name, (_, outcome) in zip(names, outcomes, strict=True))
        self._replicas.display = True
        self._replicas.show(Chart(of[0], start, end, lanes, (), (), (), ()))
        self._replicas.refresh(layout=True)

    def _cells(self, name: str, outcome: Outcome) -> tuple[str, ...]:
        def spread(field: str, text: str) -> str:
            low, high = outcome.ci.get(field, (0.0, 0.0))
            return f"{text} ({low:,.0f}–{high:,.0f})" if field in outcome.ci and round(high) > round(low) else text

        over = self.time(outcome.finished_at) if outcome.finished_at is not None else "-"
        return (
            name, duration(round(outcome.wait_p50_s * SECOND)), duration(round(outcome.wait_p95_s * SECOND)),
            spread("wait_total_s", f"{outcome.wait_total_s:,.0f}"), f"{outcome.lost_task_seconds:,.0f}",
            f"{outcome.pod_hours:.2f}", f"{outcome.unfinished}", over,
        )  # fmt: skip

    def other_pane(self) -> None:
        """Settings and outcomes."""
        (self._settings if self._outcomes.has_focus else self._outcomes).focus()

    def filtered(self, text: str) -> None:
        """Only settings that hold a text."""
        self.only = text
        self.refill()


def _settings(number: int, variant: Outcome) -> str:
    return f"#{number + 1} " + " ".join(f"{name}={value}" for name, value in variant.set.items())


def _lane(name: str, outcome: Outcome) -> Lane:
    return Lane(name, tuple(Step(at, float(size)) for at, size in outcome.replicas))


def _tint(column: str, _cell: str) -> str:
    return palette.ORANGE if column == "changed" else ""
