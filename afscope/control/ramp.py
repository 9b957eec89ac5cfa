"""How long scaling takes when nothing is wrong: the arithmetic of timers and ramps.

A cold start inside these bounds is ordinary latency with a price, not a fault. The sizes come from running the HPA's
own rules (`sync`), so any behavior, tolerance and maximum is covered.
"""

from dataclasses import dataclass

from afscope.control.history import History
from afscope.control.hpa import SYNC_PERIOD_S, Controller, HpaSpec, Metric, Observed, TargetKind
from afscope.control.scaledobject import ScaledObject
from afscope.control.sync import sync
from afscope.model.clock import SECOND

_MOST_SYNCS = 1000


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most seconds something may take inside the configured timers."""

    least_s: float
    most_s: float

    def __add__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.least_s + other.least_s, self.most_s + other.most_s)

    def explains(self, seconds: float, slack_s: float = 0.0) -> bool:
        """Whether the timers alone account for a delay of `seconds`; being faster needs no explanation."""
        return seconds <= self.most_s + slack_s


@dataclass(frozen=True, slots=True)
class Timers:
    """Periods of the loops in seconds; the work of a loop is added to its period (0 when nothing was measured)."""

    polling_s: float
    sync_s: float = SYNC_PERIOD_S
    poll_work_s: float = 0.0
    sync_work_s: float = 0.0

    @property
    def poll(self) -> Bounds:
        """From demand to KEDA's write: the timer runs during the work, so the period is the longer of the two."""
        return Bounds(0.0, max(self.polling_s, self.poll_work_s) + self.poll_work_s)

    @property
    def first_sync(self) -> Bounds:
        """From KEDA's write to the HPA's next sync; the two loops have no common phase."""
        return Bounds(0.0, self.sync_s + self.sync_work_s)


@dataclass(frozen=True, slots=True)
class Ramp:
    """The sizes that consecutive syncs write, with the number of the sync (from 1); `settled` is the last size."""

    steps: tuple[tuple[int, int], ...]
    settled: int

    def syncs_to(self, size: int) -> int | None:
        """Which sync first asks for at least `size`, None when none does; 0 when no sync is needed."""
        return next((number for number, reached in self.steps if reached >= size), None)


def ramp(
    spec: HpaSpec,
    demand: int,
    start: int = 1,
    sync_s: float = SYNC_PERIOD_S,
    controller: Controller | None = None,
) -> Ramp:
    """The sizes from `start` while an AverageValue metric steadily asks for `demand` replicas and pods keep up."""
    wanted = HpaSpec(spec.max_replicas, (_DEMAND,), spec.min_replicas, spec.behavior)
    history, size, now = History(), start, 0
    steps = [(0, start)]
    quiet = _quiet_syncs(spec, sync_s)
    for number in range(1, _MOST_SYNCS):
        seen = Observed(size, size, (demand * _DEMAND.target_milli,))
        history, decision = sync(history, wanted, seen, now, controller or Controller())
        if decision.writes and decision.desired is not None:
            size = decision.desired
            steps.append((number, size))
        if number - steps[-1][0] > quiet:
            break
        now += round(sync_s * SECOND)
    return Ramp(tuple(steps), size)


_DEMAND = Metric("demand", 1000, TargetKind.AVERAGE_VALUE)


def _quiet_syncs(spec: HpaSpec, sync_s: float) -> int:
    """After how many syncs without a write nothing can change any more: every window and period has passed."""
    if spec.behavior is None:
        return 1
    up = spec.behavior.up
    return int(max(up.longest_period_s, up.window_s or 0) / sync_s) + 2


def scale_out(spec: HpaSpec, size: int, timers: Timers, start: int = 0, demand: int | None = None) -> Bounds | None:
    """Seconds from demand to spec.replicas >= `size`, None when the rules never get there.

    `demand` is what the metric asks for when that is more than `size`. From zero KEDA's poll comes first, then
    U(0, sync) to the next sync, then one period for each further sync.
    """
    waited = timers.poll if start == 0 else Bounds(0.0, 0.0)
    first = start or max(1, spec.min_replicas)
    syncs = ramp(spec, max(size, demand or 0), first, timers.sync_s).syncs_to(size)
    if syncs is None:
        return None
    if syncs == 0:
        return waited
    further = Bounds((syncs - 1) * timers.sync_s, (syncs - 1) * (timers.sync_s + timers.sync_work_s))
    return waited + timers.first_sync + further


def scale_in(spec: HpaSpec, timers: Timers, controller: Controller | None = None) -> Bounds:
    """Seconds from the last higher recommendation until the HPA may begin to lower the size."""
    window: float = (controller or Controller()).downscale_window_s
    if spec.behavior is not None and spec.behavior.down.window_s is not None:
        window = spec.behavior.down.window_s
    return Bounds(window, window + 2 * (timers.sync_s + timers.sync_work_s))


def to_rest(target: ScaledObject, timers: Timers) -> Bounds:
    """Seconds from the last active poll until KEDA writes the resting size: cooldownPeriod, then the next poll.

    It runs beside the HPA's window, which KEDA ignores, so zero may come before the HPA has lowered anything.
    """
    return Bounds(target.cooldown_s, target.cooldown_s + 2 * max(timers.polling_s, timers.poll_work_s))
