"""Whole trajectories of both loops, computed beforehand with an independent port of the rules."""

import pytest

from afscope.control.hpa import Behavior, HpaSpec, Metric, Observed, Policy, PolicyKind, Rules, TargetKind, Tolerances
from afscope.control.recommend import propose
from afscope.control.scaledobject import ScaledObject
from afscope.control.sync import BELOW_TARGET, LimitedBy
from tests.control.loops import Loops, shape

METRIC = Metric("m", 1000)


def hpa(most: int, behavior: Behavior | None = None, metric: Metric = METRIC) -> HpaSpec:
    return HpaSpec(most, (metric,), 1, behavior)


def test_a_a_burst_without_behavior_doubles() -> None:
    writes = Loops(hpa(100), ScaledObject(), lambda _: 40).run(300)
    assert shape(writes) == [(0, 0, 1), (7, 1, 4), (22, 4, 8), (37, 8, 16), (52, 16, 32), (67, 32, 40)]
    limits = [write.decision.limited for write in writes if write.decision]
    assert limits == ["ScaleUpLimit"] * 4 + ["DesiredWithinRange"]


def test_b_a_burst_with_an_empty_behavior_starts_at_five() -> None:
    writes = Loops(hpa(100, Behavior()), ScaledObject(), lambda _: 40).run(300)
    assert shape(writes) == [(0, 0, 1), (7, 1, 5), (22, 5, 10), (37, 10, 20), (52, 20, 40)]


def two_bursts(seconds: float) -> float:
    return 10 if seconds < 120 else 0 if seconds < 240 else 1


def test_c_recommendations_from_before_zero_lift_replicas_without_demand() -> None:
    target = ScaledObject(polling_s=5, cooldown_s=30)
    writes = Loops(hpa(10), target, two_bursts).run(450)
    assert shape(writes)[-6:] == [(150, 10, 0), (240, 0, 1), (248, 1, 4), (263, 4, 8), (278, 8, 10), (413, 10, 1)]
    lifted = [write.decision for write in writes if write.decision and write.decision.phantom]
    assert [decision.reason for decision in lifted] == ["", BELOW_TARGET, BELOW_TARGET]
    assert {decision.able for decision in lifted} == {"SucceededRescale"}


def test_c_with_an_empty_behavior_nothing_is_lifted() -> None:
    target = ScaledObject(polling_s=5, cooldown_s=30)
    writes = Loops(hpa(10, Behavior()), target, two_bursts).run(450)
    assert shape(writes)[-2:] == [(150, 10, 0), (240, 0, 1)]


def test_d_the_window_holds_the_size_for_five_minutes_then_drops_in_one_step() -> None:
    writes = Loops(hpa(100), ScaledObject(), lambda at: 20 if at < 100 else 3).run(450)
    assert shape(writes)[-2:] == [(52, 16, 20), (398, 20, 3)]


def test_e_a_policy_takes_two_pods_a_minute() -> None:
    slow = Behavior(down=Rules((Policy(PolicyKind.PODS, 2, 60),), window_s=0))
    writes = Loops(hpa(100, slow), ScaledObject(), lambda at: 20 if at < 100 else 3).run(360)
    down = [write for write in writes if write.after < write.before]
    assert [(write.at, write.after) for write in down] == [(112, 18), (173, 16), (233, 14), (293, 12), (353, 10)]
    assert {write.decision.limited_by for write in down if write.decision} == {LimitedBy.SCALE_DOWN_RATE}


def test_f_a_value_metric_that_does_not_fall_runs_to_the_maximum() -> None:
    metric = Metric("m", 10_000, TargetKind.VALUE)
    writes = Loops(hpa(100, metric=metric), ScaledObject(min_replicas=1), lambda _: 25, replicas=1).run(200)
    assert [write.after for write in writes] == [3, 6, 12, 24, 48, 96, 100]


@pytest.mark.parametrize(("usage_milli", "proposal"), [(9000, 10), (8999, 9), (10_900, 10), (11_000, 10), (11_001, 12)])
def test_g_leaving_the_tolerance_upwards_jumps_by_two(usage_milli: int, proposal: int) -> None:
    got = propose(METRIC, usage_milli, Observed(10, 10, [usage_milli]), Tolerances())
    assert got is not None
    assert got.replicas == proposal
