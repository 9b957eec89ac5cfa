"""What scaling actually does during each kind of failure (keda-hpa §2.5), at zero and at N replicas.

Both loops run on one target while something is broken; nothing here is a rule of its own.
"""

from dataclasses import dataclass, field, replace

from afscope.control.fallback import Fallback
from afscope.control.history import History
from afscope.control.hpa import HpaSpec, Metric, Observed
from afscope.control.keda import KedaState, Polled, Trigger, counted_request, poll
from afscope.control.scaledobject import Controls, ScaledObject
from afscope.control.sync import sync
from afscope.model.clock import SECOND

SPEC = HpaSpec(10, (Metric("m", 1000),))
TARGET = ScaledObject(polling_s=5, cooldown_s=30, max_replicas=10)


@dataclass
class Cluster:
    """Both loops; `value` None is a query that fails, the flags break a hop."""

    replicas: int
    value: float | None = 8.0
    built: bool = True
    adapter: bool = True
    controller: bool = True
    operator: bool = True
    second: float | None = None
    """Value of a second trigger; it always answers."""
    target: ScaledObject = TARGET
    now: int = 0
    keda: KedaState = field(default_factory=KedaState)
    history: History = field(default_factory=History)

    def run(self, seconds: int) -> int:
        """The size after that many seconds."""
        spec = SPEC if self.second is None else replace(SPEC, metrics=(*SPEC.metrics, Metric("n", 1000)))
        for _ in range(seconds):
            self.now += SECOND
            if self.now % (5 * SECOND) == 0 and self.operator:
                triggers = [Trigger("m", self.value)] + ([] if self.second is None else [Trigger("n", self.second)])
                seen = Polled(self.replicas, triggers, built=self.built)
                self.keda, action = poll(self.keda, self.target, seen, self.now)
                self.replicas = self.replicas if action.after is None else action.after
            paused = self.target.controls.paused  # then there is no HPA object
            if self.now % (15 * SECOND) == 7 * SECOND and self.controller and not paused:
                self._sync(spec)
        return self.replicas

    def _sync(self, spec: HpaSpec) -> None:
        answered = self.adapter and self.operator and self.built
        readings = [None if not answered or v is None else round(v * 1000) for v in (self.value, self.second)]
        if answered and self.replicas:
            self.keda = counted_request(self.keda, "m", ok=self.value is not None)
        seen = Observed(self.replicas, self.replicas, readings[: len(spec.metrics)])
        self.history, decision = sync(self.history, spec, seen, self.now)
        if decision.writes and decision.desired is not None:
            self.replicas = decision.desired


def test_nothing_broken_scales_to_the_demand_and_back() -> None:
    cluster = Cluster(0)
    assert cluster.run(120) == 8
    cluster.value = 0.0
    assert cluster.run(60) == 0


def test_a_database_that_cannot_be_reached_freezes_both_ways() -> None:
    assert Cluster(0, built=False).run(600) == 0
    assert Cluster(4, built=False).run(600) == 4
    idle = Cluster(4, value=0.0, built=False)
    assert idle.run(600) == 4


def test_the_cooldown_runs_on_while_the_database_is_away() -> None:
    cluster = Cluster(0)
    cluster.run(60)
    cluster.built = False
    cluster.run(60)
    cluster.built, cluster.value = True, 0.0
    assert cluster.run(5) == 0


def test_a_query_error_without_fallback_freezes_both_ways() -> None:
    assert Cluster(0, value=None).run(600) == 0
    assert Cluster(4, value=None).run(600) == 4


def test_a_query_error_with_fallback_reaches_the_fallback_even_from_zero() -> None:
    falling = replace(TARGET, fallback=Fallback(3, 6))
    assert Cluster(0, value=None, target=falling).run(30) == 1


def test_a_broken_metric_path_sticks_at_one_worker_with_a_long_queue() -> None:
    assert Cluster(0, adapter=False).run(600) == 1
    frozen = Cluster(4, adapter=False)
    assert frozen.run(600) == 4
    frozen.value = 0.0
    assert frozen.run(60) == 0  # KEDA does not need the adapter


def test_a_stopped_hpa_controller_leaves_activation_and_no_ramp() -> None:
    assert Cluster(0, controller=False).run(600) == 1
    assert Cluster(4, controller=False).run(600) == 4


def test_an_operator_that_is_down_freezes_everything() -> None:
    assert Cluster(0, operator=False).run(600) == 0
    assert Cluster(4, operator=False).run(600) == 4


def test_one_failing_trigger_of_two_blocks_the_way_down_only() -> None:
    assert Cluster(0, value=None, second=8.0).run(120) == 8
    assert Cluster(8, value=None, second=3.0).run(900) == 8


def test_a_pause_changes_nothing() -> None:
    held = replace(TARGET, controls=Controls(paused=True))
    assert Cluster(0, target=held).run(600) == 0
    assert Cluster(4, value=0.0, target=held).run(600) == 4
