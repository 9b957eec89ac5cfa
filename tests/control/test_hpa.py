"""The HPA's rules: defaults, tolerance, several metrics, corrections, limits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.history import History, Sample
from afscope.control.hpa import (
    INT32_MAX,
    Behavior,
    HpaSpec,
    Metric,
    Observed,
    Policy,
    PolicyKind,
    Rules,
    Select,
    TargetKind,
    Tolerances,
    behavior_from,
    hpa_spec_from,
)
from afscope.control.recommend import propose, recommend
from afscope.control.sync import ABOVE_MAX, BELOW_MIN, BELOW_TARGET, Decision, LimitedBy, sync
from afscope.model.clock import SECOND

ONE = Metric("s0-postgresql", 1000, labels=(("scaledobject.keda.sh/name", "w"),))
ABOVE = (
    "external metric s0-postgresql(&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: w,},"
    "MatchExpressions:[]LabelSelectorRequirement{},}) above target"
)
NOW = 10_000 * SECOND


def hpa(behavior: Behavior | None = None, *, most: int = 100, least: int = 1) -> HpaSpec:
    return HpaSpec(most, (ONE,), least, behavior)


def decide(spec: HpaSpec, replicas: int, *usage: int | None, history: History | None = None, **seen: Any) -> Decision:
    return sync(history or History(), spec, Observed(replicas, seen.pop("status", replicas), usage, **seen), NOW)[1]


def recommended(*samples: tuple[int, int]) -> History:
    """Recommendations by size and age in seconds."""
    return History(tuple(Sample(size, NOW - age * SECOND) for size, age in samples))


def test_an_absent_behavior_is_not_an_empty_one() -> None:
    assert behavior_from(None) is None
    assert behavior_from({}) == Behavior()
    assert decide(hpa(), 1, 9000).desired == 4
    assert decide(hpa(Behavior()), 1, 9000).desired == 5


def test_given_fields_replace_defaults_and_policies_are_replaced_as_a_whole() -> None:
    raw = {
        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}], "tolerance": "50m"},
        "scaleDown": {"selectPolicy": "Disabled"},
    }
    behavior = behavior_from(raw)
    assert behavior is not None
    assert behavior.up == Rules((Policy(PolicyKind.PODS, 1, 60),), Select.MAX, 0, 0.05)
    assert behavior.down == Rules((Policy(PolicyKind.PERCENT, 100, 15),), Select.DISABLED, None)


def test_a_spec_is_read_as_the_api_serves_it() -> None:
    external = {
        "metric": {"name": "s0-postgresql", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "w"}}},
        "target": {"type": "AverageValue", "averageValue": "1"},
    }
    raw = {"maxReplicas": 100, "metrics": [{"type": "External", "external": external}]}
    assert hpa_spec_from(raw) == hpa()
    with pytest.raises(ValueError, match="Resource"):
        hpa_spec_from({"maxReplicas": 1, "metrics": [{"type": "Resource", "resource": {}}]})
    external["target"] = {"type": "Value", "value": "0"}
    with pytest.raises(ValueError, match="positive"):
        hpa_spec_from(raw)


def test_at_zero_nothing_is_read_and_old_recommendations_stay() -> None:
    before = recommended((7, 60))
    after, decision = sync(before, hpa(), Observed(0, 0, [99_000]), NOW)
    assert after == before
    assert (decision.desired, decision.writes, decision.active) == (0, False, "ScalingDisabled")
    assert decision.limited_by is LimitedBy.AT_ZERO


@pytest.mark.parametrize(
    ("replicas", "desired", "reason"), [(12, 10, ABOVE_MAX), (1, 2, BELOW_MIN)], ids=["above max", "below min"]
)
def test_a_size_outside_the_range_is_corrected_without_a_metric(replicas: int, desired: int, reason: str) -> None:
    history, decision = sync(History(), hpa(Behavior(), most=10, least=2), Observed(replicas, replicas, [None]), NOW)
    assert (decision.desired, decision.writes, decision.reason) == (desired, True, reason)
    assert (decision.limited, decision.active, decision.proposal) == (None, None, None)
    assert history.recommendations == (Sample(replicas, NOW),), "only the seed: a correction recommends nothing"
    assert history.ups + history.downs == (Sample(abs(replicas - desired), NOW),)


def test_status_counts_for_the_ratio_and_spec_for_the_limit() -> None:
    stuck = decide(hpa(), 6, 4000, status=4)
    assert stuck.proposal == 4, "inside the tolerance the controller proposes status.replicas"
    assert stuck.reason == BELOW_TARGET
    assert decide(hpa(), 8, 40_000, status=1).desired == 16


def test_without_pods_there_is_no_tolerance() -> None:
    assert decide(hpa(), 1, 1000, status=0).proposal == 1
    assert decide(hpa(), 1, 0, status=0).desired == 1


def test_a_negative_total_counts_as_overflow() -> None:
    decision = decide(hpa(Behavior(), most=9), 5, -1)
    assert decision.proposal == INT32_MAX
    assert (decision.desired, decision.limited_by) == (9, LimitedBy.MAX_REPLICAS)


def test_a_value_metric_counts_ready_pods() -> None:
    spec = HpaSpec(100, (Metric("m", 10_000, TargetKind.VALUE),))
    assert decide(spec, 4, 25_000, ready_pods=2, pods=4).proposal == 5
    assert decide(spec, 4, 25_000, ready_pods=0, pods=4).proposal == 0
    assert decide(spec, 4, 10_900, ready_pods=1, pods=4).proposal == 4
    assert decide(spec, 4, 25_000, ready_pods=0, pods=0).limited_by is LimitedBy.NO_METRICS


TWO = HpaSpec(100, (ONE, Metric("s1-redis", 5000)))


def test_the_largest_of_several_metrics_wins_and_is_named() -> None:
    decision = decide(TWO, 2, 1000, 20_000)
    assert (decision.desired, decision.reason) == (4, "external metric s1-redis(&LabelSelector{MatchLabels:"
            "map[string]string{},MatchExpressions:[]LabelSelectorRequirement{},}) above target")  # fmt: skip


def test_a_first_proposal_of_zero_is_replaced_by_any_later_one() -> None:
    got = recommend(TWO, Observed(2, 2, [0, 0]), Tolerances())
    assert got is not None
    assert got.metric.name == "s1-redis"


def test_one_failing_metric_blocks_the_way_down_but_not_up() -> None:
    assert decide(TWO, 2, None, 20_000).desired == 4
    assert decide(TWO, 4, None, 20_000).active == "ValidMetricFound", "staying is not scaling down"
    held = decide(TWO, 6, None, 20_000)
    assert (held.desired, held.writes, held.active) == (None, False, "FailedGetExternalMetric")
    assert decide(TWO, 2, None, None).limited_by is LimitedBy.NO_METRICS


def test_a_failed_sync_records_only_the_seed() -> None:
    assert sync(History(), hpa(), Observed(3, 3, [None]), NOW)[0] == History((Sample(3, NOW),))


def test_a_refused_write_is_remembered_as_a_recommendation_only() -> None:
    history, decision = sync(recommended((1, 500)), hpa(Behavior()), Observed(1, 1, [3000], write_ok=False), NOW)
    assert (decision.desired, decision.writes, decision.able) == (3, False, "FailedUpdateScale")
    assert history == History((Sample(3, NOW),))


def test_tolerance_holds_a_missing_worker_back_and_says_so() -> None:
    decision = decide(hpa(Behavior()), 10, 11_000)
    assert (decision.desired, decision.demand, decision.limited_by) == (10, 11, LimitedBy.TOLERANCE)
    fine = Behavior(up=Rules(Behavior().up.policies, window_s=0, tolerance=0.0))
    assert decide(hpa(fine), 10, 11_000).desired == 11
    assert decide(hpa(fine), 10, 9_000).desired == 10, "the other direction keeps the flag's"


@pytest.mark.parametrize(
    ("select", "desired", "limited_by"),
    [
        (Select.MAX, 20, LimitedBy.SCALE_UP_RATE),
        (Select.MIN, 14, LimitedBy.SCALE_UP_RATE),
        (Select.DISABLED, 10, LimitedBy.SCALE_UP_DISABLED),
    ],
)
def test_policies_up(select: Select, desired: int, limited_by: LimitedBy) -> None:
    decision = decide(hpa(Behavior(up=Rules(Behavior().up.policies, select, 0))), 10, 50_000)
    assert (decision.desired, decision.limited_by, decision.limited) == (desired, limited_by, "ScaleUpLimit")


@pytest.mark.parametrize(("select", "desired"), [(Select.MAX, 5), (Select.MIN, 8), (Select.DISABLED, 11)])
def test_policies_down_truncate_towards_zero(select: Select, desired: int) -> None:
    policies = (Policy(PolicyKind.PODS, 3, 15), Policy(PolicyKind.PERCENT, 50, 15))
    decision = decide(hpa(Behavior(down=Rules(policies, select, 0))), 11, 1000)
    assert (decision.desired, decision.limited) == (desired, "ScaleDownLimit")


def test_what_was_moved_inside_the_period_counts_and_exactly_one_period_ago_does_not() -> None:
    behavior = Behavior(up=Rules((Policy(PolicyKind.PODS, 4, 60),), window_s=0))
    for age, desired in ((59, 10), (60, 12)):
        history = History((Sample(8, NOW - 90 * SECOND),), ups=(Sample(2, NOW - age * SECOND),))
        assert decide(hpa(behavior), 8, 50_000, history=history).desired == desired
    undone = History((Sample(8, NOW),), ups=(Sample(4, NOW - SECOND),), downs=(Sample(4, NOW - SECOND),))
    assert decide(hpa(behavior), 8, 50_000, history=undone).desired == 12


def test_an_exhausted_policy_never_takes_replicas_away() -> None:
    behavior = Behavior(up=Rules((Policy(PolicyKind.PODS, 1, 60),), window_s=0))
    history = History((Sample(8, NOW),), ups=(Sample(5, NOW - SECOND),))
    assert decide(hpa(behavior), 8, 50_000, history=history).desired == 8
    behavior = Behavior(down=Rules((Policy(PolicyKind.PODS, 1, 60),), window_s=0))
    history = History((Sample(8, NOW - SECOND),), downs=(Sample(5, NOW - SECOND),))
    assert decide(hpa(behavior), 8, 1000, history=history).desired == 8, "nor does one downwards add any"


def test_percentages_round_in_favour_of_the_move() -> None:
    half = (Policy(PolicyKind.PERCENT, 50, 15),)
    assert decide(hpa(Behavior(up=Rules(half, window_s=0))), 3, 50_000).desired == 5
    assert decide(hpa(Behavior(down=Rules(half, window_s=0))), 3, 0).desired == 1


def test_a_scale_up_window_takes_the_lowest_recent_recommendation() -> None:
    behavior = Behavior(up=Rules(Behavior().up.policies, window_s=60))
    decision = decide(hpa(behavior), 4, 9000, history=recommended((4, 100), (5, 30)))
    assert (decision.desired, decision.limited_by) == (5, LimitedBy.SCALE_UP_WINDOW)
    held = decide(hpa(behavior), 4, 9000, history=recommended((4, 30)))
    assert (held.desired, held.able, held.limited_by) == (4, "ScaleUpStabilized", LimitedBy.SCALE_UP_WINDOW)


@pytest.mark.parametrize(("behavior", "at_the_edge"), [(None, 7), (Behavior(), 2)])
def test_the_window_down_includes_its_edge_only_without_a_behavior(behavior: Behavior | None, at_the_edge: int) -> None:
    held = decide(hpa(behavior), 7, 2000, history=recommended((7, 299)))
    assert (held.desired, held.able, held.limited_by) == (7, "ScaleDownStabilized", LimitedBy.SCALE_DOWN_WINDOW)
    assert decide(hpa(behavior), 7, 2000, history=recommended((7, 300))).desired == at_the_edge
    assert decide(hpa(behavior), 7, 2000, history=recommended((7, 301))).desired == 2


def test_an_outdated_slot_is_reused() -> None:
    history, _ = sync(recommended((9, 400), (7, 301), (3, 10)), hpa(), Observed(3, 3, [3000]), NOW)
    old, recent = Sample(9, NOW - 400 * SECOND), Sample(3, NOW - 10 * SECOND)
    assert history.recommendations == (old, Sample(3, NOW), recent)


def test_a_phantom_scale_up_contradicts_its_own_reason() -> None:
    decision = decide(hpa(), 4, 2000, history=recommended((9, 200)))
    assert decision.phantom
    assert (decision.desired, decision.reason, decision.able) == (8, BELOW_TARGET, "SucceededRescale")
    honest = decide(hpa(), 4, 9000)
    assert not honest.phantom
    assert honest.reason == ABOVE


def test_with_a_behavior_old_recommendations_never_lift() -> None:
    assert decide(hpa(Behavior()), 4, 2000, history=recommended((9, 200))).desired == 4


sizes = st.integers(1, 60)
ages = st.integers(0, 600)
histories = st.builds(
    History,
    st.none() | st.lists(st.builds(Sample, sizes, ages.map(lambda age: NOW - age * SECOND)), max_size=6).map(tuple),
    st.lists(st.builds(Sample, sizes, ages.map(lambda age: NOW - age * SECOND)), max_size=3).map(tuple),
    st.lists(st.builds(Sample, sizes, ages.map(lambda age: NOW - age * SECOND)), max_size=3).map(tuple),
)
policies = st.lists(
    st.builds(Policy, st.sampled_from(PolicyKind), st.integers(1, 200), st.integers(1, 1800)), min_size=1, max_size=3
).map(tuple)
directions = st.builds(Rules, policies, st.sampled_from(Select), st.integers(0, 600), st.none() | st.floats(0, 0.5))
behaviors = st.none() | st.builds(Behavior, directions, directions)
usages = st.integers(0, 100_000)


@given(behaviors, histories, sizes, st.integers(0, 60), st.none() | usages, st.integers(1, 10), st.integers(10, 50))
def test_every_write_lands_between_minimum_and_maximum(
    behavior: Behavior | None, history: History, spec: int, status: int, usage: int | None, least: int, most: int
) -> None:
    _, decision = sync(history, hpa(behavior, most=most, least=least), Observed(spec, status, [usage]), NOW)
    if decision.writes:
        assert decision.desired is not None
        assert least <= decision.desired <= most
        assert decision.desired != spec


@given(behaviors, histories, sizes, usages, usages)
def test_more_demand_never_means_fewer_replicas(
    behavior: Behavior | None, history: History, replicas: int, one: int, other: int
) -> None:
    low, high = (
        sync(history, hpa(behavior), Observed(replicas, replicas, [usage]), NOW)[1].desired
        for usage in sorted((one, other))
    )
    assert low is not None
    assert high is not None
    assert low <= high


@given(histories, sizes, usages)
def test_without_a_behavior_a_sync_at_most_doubles(history: History, replicas: int, usage: int) -> None:
    decision = decide(hpa(), replicas, usage, history=history)
    assert (decision.desired or 0) <= max(2 * replicas, 4)


@given(st.integers(1, 1000))
def test_the_default_tolerance_holds_at_both_ends_and_not_beyond(replicas: int) -> None:
    def inside(usage: int) -> bool:
        got = propose(ONE, usage, Observed(replicas, replicas, [usage]), Tolerances())
        assert got is not None
        return got.within_tolerance

    assert inside(900 * replicas)
    assert inside(1100 * replicas)
    assert not inside(900 * replicas - 1)
    assert not inside(1100 * replicas + 1)


@given(behaviors, histories, sizes, usages)
def test_history_stays_as_it_was(behavior: Behavior | None, history: History, replicas: int, usage: int) -> None:
    before = repr(history)
    sync(history, hpa(behavior), Observed(replicas, replicas, [usage]), NOW)
    assert repr(history) == before
