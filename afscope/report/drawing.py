"""Charts made ready for the template: lanes, strips and ticks as paths, their legends, the axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from afscope.model.text import harmless
from afscope.model.timeline import Chart, Lane, Span, Tick
from afscope.report import plot
from afscope.report.content import Content, Look

PLOTS = (
    ("plot_tasks", ("waiting", "queued", "running")),
    ("plot_workers", ("ready", "metric", "current", "desired")),
    ("plot_slots", ("slots", "slots_used")),
)
_SPANS_IN_ALL = 12_000
_TICK_TEXT = 160
_MOST_TICKS = 300
_GROUND = 1.15  # room above the highest value


@dataclass(frozen=True, slots=True)
class Curve:
    """One lane: its name in the style sheet, its words and its path."""

    kind: str
    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Lanes over one scale. `top` is the highest value, `flip` turns data into the box of height 100."""

    label: str
    curves: tuple[Curve, ...]
    top: str
    flip: str
    ceiling: Curve | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """Bars of height 1: class, words and path of each kind; `letters` tell the widest apart without colour."""

    label: str
    bars: tuple[tuple[str, str, str], ...]
    letters: tuple[tuple[float, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One target's chart."""

    name: str
    width: int
    start_ms: int
    offset_s: int
    plots: tuple[Plot, ...]
    strips: tuple[Strip, ...]
    ticks: tuple[tuple[str, int, str], ...]
    tick_note: str
    axis: tuple[tuple[float, str], ...]
    coarse: str


def figures(told: Content) -> tuple[Figure, ...]:
    """All charts; together they stay within what a report may weigh."""
    charts = told.charts
    ranks = _ranks(told)
    lanes = sum(1 for chart in charts for lane in chart.lanes if lane.steps)
    budget = max(300, plot.STEPS_IN_ALL // max(1, lanes))
    spans = max(200, _SPANS_IN_ALL // max(1, 3 * len(charts)))
    ticks = min(_MOST_TICKS, max(20, plot.TICKS_IN_ALL // max(1, 2 * len(charts))))
    return tuple(_figure(chart, told, ranks, (budget, spans, ticks)) for chart in charts)


@dataclass(frozen=True, slots=True)
class Colour:
    """How a cause is drawn in the whole report: its class in the style sheet, and its letter."""

    kind: str
    letter: str


def _ranks(told: Content) -> dict[str, Colour]:
    """Causes by the time for which they bound, over all targets; what nobody is blamed for gets calm colours."""
    every = [span for chart in told.charts for span in chart.constraint]
    kinds = [kind for kind, _ in plot.by_kind(every)]
    blamed = [kind for kind in kinds if any(card.cause == kind for card in told.cards)]
    calm = [kind for kind in kinds if kind not in blamed]
    return {
        kind: Colour(f"{group}{rank % size}", letter(kinds.index(kind)))
        for group, size, members in (("c", 8, blamed), ("o", 4, calm))
        for rank, kind in enumerate(members)
    }


def _figure(chart: Chart, told: Content, ranks: dict[str, Colour], most: tuple[int, int, int]) -> Figure:
    """`most`: how many steps, spans and ticks may be drawn per lane, strip and kind."""
    look = told.look
    budget, spans, ticks = most
    lanes = {lane.name: lane for lane in chart.lanes}
    decisions = [tick for tick in chart.ticks if tick.kind == "decision"]
    warnings = [tick for tick in chart.ticks if tick.kind != "decision"]
    longest = max((len(lane.steps) for lane in chart.lanes), default=0)
    return Figure(
        name=harmless(chart.target) or look.say("unserved"),
        width=max(1, plot.x(chart.end, chart.start)),
        start_ms=chart.start // 1000,
        offset_s=plot.zone_offset_s(chart.start, look.zone),
        plots=tuple(
            drawn for label, names in PLOTS
            if (drawn := _plot(chart, look, label, [lanes[n] for n in names], told.ceilings, budget)) is not None
        ),
        strips=tuple(_strips(chart, look, ranks, spans)),
        ticks=tuple((t.kind, plot.x(t.at, chart.start), harmless(f"{look.clock(t.at)} {t.text}"[:_TICK_TEXT]))
                    for t in [*plot.few(warnings, ticks), *plot.few(decisions, ticks)]),
        tick_note=_tick_note(look, ticks, decisions, warnings),
        axis=tuple(plot.axis(chart.start, chart.end, look.zone)),
        coarse=_coarse(look, chart, budget) if longest > budget else "",
    )  # fmt: skip


def _coarse(look: Look, chart: Chart, budget: int) -> str:
    return look.say("coarse", span=look.span(plot.stretch(budget, chart.start, chart.end)))


def _plot(
    chart: Chart, look: Look, label: str, lanes: Sequence[Lane], ceilings: dict[str, int], budget: int
) -> Plot | None:
    values = [step.value for lane in lanes for step in lane.steps if step.value is not None]
    if not any(values):
        return None
    ceiling = ceilings.get(chart.target) if label == "plot_workers" else None
    highest = max([*values, ceiling or 0])
    top = highest * _GROUND
    curves = tuple(
        Curve(lane.name, look.say(f"lane_{lane.name}"), plot.lane_path(lane, chart.start, chart.end, budget))
        for lane in lanes if lane.steps
    )  # fmt: skip
    line = f"M0 {ceiling}h{plot.x(chart.end, chart.start)}"
    roof = Curve("max", f"{look.say('lane_max')} {ceiling}", line) if ceiling else None
    return Plot(look.say(label), curves, f"{highest:g}", f"matrix(1 0 0 {-100 / top:.6g} 0 100)", roof)


def _strips(chart: Chart, look: Look, ranks: dict[str, Colour], budget: int) -> Sequence[Strip]:
    bounds = (chart.start, chart.end)
    causes = plot.merged(chart.constraint, *bounds, budget)
    health = plot.merged(chart.health, *bounds, budget)
    out = []
    if causes:
        bars = tuple(
            (ranks[kind].kind, f"{ranks[kind].letter} {harmless(kind)}", plot.spans_path(spans, *bounds))
            for kind, spans in plot.by_kind(causes)
        )
        out.append(Strip(look.say("strip_constraint"), bars, _letters(causes, bounds, ranks)))
    if health:
        bars = tuple(
            (f"h-{kind}", look.say(f"health_{kind}"), plot.spans_path(spans, *bounds))
            for kind, spans in plot.by_kind(health)
        )
        out.append(Strip(look.say("strip_health"), bars))
    if chart.gaps:
        bars = tuple(
            ("gap", harmless(kind), plot.spans_path(spans, *bounds)) for kind, spans in plot.by_kind(chart.gaps)
        )
        out.append(Strip(look.say("strip_gaps"), bars))
    return out


def _letters(spans: Sequence[Span], bounds: tuple[int, int], ranks: dict[str, Colour]) -> tuple[tuple[float, str], ...]:
    start, end = bounds
    length = max(1, end - start)
    wide = [span for span in spans if (span.end - span.start) / length >= 0.03]
    return tuple(
        (round(100 * ((span.start + span.end) / 2 - start) / length, 2), ranks[span.kind].letter) for span in wide
    )


def letter(rank: int) -> str:
    """A, B, … Z by rank; then "#"."""
    return chr(ord("A") + rank) if rank < 26 else "#"


def _tick_note(look: Look, most: int, *groups: Sequence[Tick]) -> str:
    shown, every = sum(len(plot.few(group, most)) for group in groups), sum(map(len, groups))
    return look.say("ticks_thinned", shown=shown, all=every) if shown < every else ""
