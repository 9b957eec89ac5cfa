"""KEDA's poll: every row of RequestScale's decision table, the cooldown's edges, fallback, cached metrics."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.fallback import (
    Fallback,
    FallbackBehavior,
    counted,
    fallback_from,
    fallback_replicas,
    fallback_value,
    is_active,
)
from afscope.control.hpa import TargetKind
from afscope.control.keda import (
    Action,
    KedaState,
    Polled,
    Record,
    Row,
    Trigger,
    cached_answer,
    cooldown_ends,
    counted_request,
    poll,
)
from afscope.control.scaledobject import Controls, ScaledObject, controls_from, scaled_object_from
from afscope.model.clock import SECOND

NOW = 10_000 * SECOND
RECENT, LONG_AGO = NOW - 10 * SECOND, NOW - 9000 * SECOND
PLAIN = ScaledObject(cooldown_s=30)
IDLE = ScaledObject(min_replicas=3, idle_replicas=0, cooldown_s=30)
FALLING_BACK = ScaledObject(cooldown_s=30, fallback=Fallback(3, 6))
TO_NOTHING = ScaledObject(cooldown_s=30, fallback=Fallback(3, 0))


def controlled(**controls: Any) -> ScaledObject:
    return replace(PLAIN, controls=Controls(**controls))


def polled(
    spec: ScaledObject, replicas: int | None, *values: float | None, last: int | None = LONG_AGO, **seen: Any
) -> tuple[KedaState, Action]:
    triggers = [Trigger(f"s{index}-m", value) for index, value in enumerate(values)]
    return poll(KedaState(last), spec, Polled(replicas, triggers, **seen), NOW)


TABLE: list[tuple[str, ScaledObject, int | None, tuple[float | None, ...], int | None, Row, int | None]] = [
    # what, spec, replicas, trigger values, lastActiveTime, row, written size
    ("replicas unreadable", PLAIN, None, (4,), None, Row.UNREADABLE, None),
    ("paused", controlled(paused=True), 2, (4,), None, Row.PAUSED, None),
    ("active at zero", PLAIN, 0, (1,), None, Row.ACTIVATED, 1),
    ("active at zero with a minimum", ScaledObject(min_replicas=3), 0, (1,), None, Row.ACTIVATED, 3),
    ("active at idle", IDLE, 0, (1,), None, Row.ACTIVATED, 3),
    ("active between idle and minimum", IDLE, 2, (1,), None, Row.ACTIVATED, 3),
    ("active at zero, scale-out paused", controlled(scale_out_paused=True), 0, (1,), None, Row.ACTIVATION_PAUSED, None),
    ("active at zero beside an error", PLAIN, 0, (1, None), None, Row.ACTIVATED, 1),
    ("active beside an error", PLAIN, 2, (1, None), None, Row.PARTIAL_ERROR, None),
    ("active below the minimum without idle", ScaledObject(min_replicas=3), 2, (1,), None, Row.ACTIVE, None),
    ("active", PLAIN, 2, (1,), None, Row.ACTIVE, None),
    ("forced at zero", controlled(force_activation=True), 0, (0,), None, Row.ACTIVATED, 1),
    ("forced in spite of errors", controlled(force_activation=True), 2, (None,), None, Row.PARTIAL_ERROR, None),
    ("error, fallback not reached", FALLING_BACK, 2, (None,), LONG_AGO, Row.FALLBACK_HOLDS, None),
    ("error", PLAIN, 2, (None,), LONG_AGO, Row.TRIGGER_ERROR, None),
    ("error at zero", PLAIN, 0, (None,), LONG_AGO, Row.TRIGGER_ERROR, None),
    ("error, fallback to zero", TO_NOTHING, 2, (None,), LONG_AGO, Row.DEACTIVATED, 0),
    ("inactive beside an error", PLAIN, 2, (0, None), LONG_AGO, Row.TRIGGER_ERROR, None),
    ("inactive, cooled down", PLAIN, 5, (0,), LONG_AGO, Row.DEACTIVATED, 0),
    ("inactive, cooling", PLAIN, 5, (0,), RECENT, Row.COOLDOWN, None),
    ("inactive, scale-in paused", controlled(scale_in_paused=True), 5, (0,), LONG_AGO, Row.DEACTIVATION_PAUSED, None),
    ("inactive above idle", IDLE, 3, (0,), LONG_AGO, Row.DEACTIVATED, 0),
    ("inactive at idle", IDLE, 0, (0,), LONG_AGO, Row.INACTIVE, None),
    ("inactive below the minimum", ScaledObject(min_replicas=3), 1, (0,), None, Row.TO_MIN, 3),
    ("inactive at zero with a minimum", ScaledObject(min_replicas=3), 0, (0,), None, Row.TO_MIN, 3),
    ("inactive at the minimum", ScaledObject(min_replicas=3), 3, (0,), LONG_AGO, Row.INACTIVE, None),
    ("inactive at zero", PLAIN, 0, (0,), LONG_AGO, Row.INACTIVE, None),
]


@pytest.mark.parametrize(("spec", "replicas", "values", "last", "row", "after"), [case[1:] for case in TABLE],
                         ids=[case[0] for case in TABLE])  # fmt: skip
def test_the_decision_table(
    spec: ScaledObject,
    replicas: int | None,
    values: tuple[float | None, ...],
    last: int | None,
    row: Row,
    after: int | None,
) -> None:
    state, action = polled(spec, replicas, *values, last=last)
    assert (action.row, action.after) == (row, after)
    refreshed = row in (Row.ACTIVE, Row.ACTIVATED)
    assert state.last_active == (NOW if refreshed else last)


def test_the_table_is_complete() -> None:
    older = {Row.FALLBACK_WRITTEN}  # up to KEDA 2.16, see test_versions
    assert {case[5] for case in TABLE} | {Row.BUILD_FAILED} | older == set(Row)


@pytest.mark.parametrize(
    ("values", "ready"), [((None,), "TriggerError"), ((1, None), "PartialTriggerError"), ((1,), "ScaledObjectReady")]
)
def test_the_ready_condition(values: tuple[float | None, ...], ready: str) -> None:
    assert polled(PLAIN, 2, *values)[1].ready == ready


def test_activity_is_strictly_above_the_activation_value() -> None:
    for value, active in ((5.0, False), (5.001, True)):
        _, action = poll(KedaState(), PLAIN, Polled(0, [Trigger("m", value, activation=5)]), NOW)
        assert action.active is active


def test_a_scaler_that_cannot_be_built_freezes_everything() -> None:
    state, action = polled(FALLING_BACK, 3, None, built=False)
    assert (state, action.row, action.after) == (KedaState(LONG_AGO), Row.BUILD_FAILED, None)
    assert action.ready is None


def test_a_refused_write_leaves_last_active_time_alone() -> None:
    state, action = polled(PLAIN, 0, 1, last=None, write_ok=False)
    assert (state.last_active, action.row, action.after) == (None, Row.ACTIVATED, None)


def test_last_active_time_loses_its_fraction() -> None:
    state, _ = poll(KedaState(), PLAIN, Polled(2, [Trigger("m", 1)]), NOW + 999_999)
    assert state.last_active == NOW


@pytest.mark.parametrize(("late_us", "row"), [(-1, Row.COOLDOWN), (0, Row.COOLDOWN), (1, Row.DEACTIVATED)])
def test_cooldown_ends_strictly_before_now(late_us: int, row: Row) -> None:
    state = KedaState(NOW - 30 * SECOND - late_us)
    assert poll(state, PLAIN, Polled(2, [Trigger("m", 0)]), NOW)[1].row is row


def test_the_initial_cooldown_counts_from_creation_and_only_until_the_first_activation() -> None:
    spec = replace(PLAIN, initial_cooldown_s=100, created_at=NOW - 50 * SECOND)
    assert polled(spec, 2, 0, last=None)[1].row is Row.COOLDOWN
    assert polled(spec, 2, 0, last=LONG_AGO)[1].row is Row.DEACTIVATED
    assert cooldown_ends(KedaState(), spec) == NOW + 50 * SECOND


def test_a_target_scaled_by_hand_goes_to_zero_at_the_next_poll() -> None:
    assert polled(PLAIN, 4, 0, last=None)[1].after == 0


def test_an_error_period_uses_up_the_cooldown() -> None:
    state = KedaState(NOW)
    for second in range(5, 60, 5):
        state, action = poll(state, PLAIN, Polled(2, [Trigger("a", 1), Trigger("b", None)]), NOW + second * SECOND)
        assert action.row is Row.PARTIAL_ERROR
    _, action = poll(state, PLAIN, Polled(2, [Trigger("a", 0), Trigger("b", 0)]), NOW + 60 * SECOND)
    assert action.row is Row.DEACTIVATED


def test_fallback_starts_after_more_failures_than_the_threshold_and_activates_from_zero() -> None:
    state, failing = KedaState(), Polled(0, [Trigger("m", None)])
    for _ in range(3):
        state, action = poll(state, FALLING_BACK, failing, NOW)
        assert (action.row, action.fallback) == (Row.FALLBACK_HOLDS, ())
    state, action = poll(state, FALLING_BACK, failing, NOW)
    assert (action.row, action.after, action.fallback) == (Row.ACTIVATED, 1, ("m",))
    assert state.last_active == NOW
    state, action = poll(state, FALLING_BACK, Polled(1, [Trigger("m", 0)]), NOW)
    assert (action.row, state.failures) == (Row.COOLDOWN, {"m": 0})


def test_requests_of_the_hpa_move_the_same_counter() -> None:
    state = KedaState()
    for _ in range(3):
        state = counted_request(state, "m", ok=False)
    assert poll(state, FALLING_BACK, Polled(0, [Trigger("m", None)]), NOW)[1].fallback == ("m",)
    assert counted_request(state, "m", ok=True).failures == {"m": 0}


def test_failures_are_counted_per_metric() -> None:
    assert counted({"a": 2}, "b", ok=False) == {"a": 2, "b": 1}
    assert not is_active(None, 99)
    assert not is_active(Fallback(3, 1), 3)
    assert is_active(Fallback(0, 1), 1)


@pytest.mark.parametrize(
    ("behavior", "low", "high"),
    [
        (FallbackBehavior.STATIC, 6, 6),
        (FallbackBehavior.CURRENT, 2, 9),
        (FallbackBehavior.CURRENT_IF_HIGHER, 6, 9),
        (FallbackBehavior.CURRENT_IF_LOWER, 2, 6),
        (FallbackBehavior.SCALING_MODIFIERS, None, None),
    ],
)
def test_fallback_behaviors(behavior: FallbackBehavior, low: int | None, high: int | None) -> None:
    fallback = Fallback(3, 6, behavior)
    assert (fallback_replicas(fallback, 2), fallback_replicas(fallback, 9)) == (low, high)


def test_fallback_values_make_the_hpa_ask_for_that_many_replicas() -> None:
    average, value = TargetKind.AVERAGE_VALUE, TargetKind.VALUE
    assert fallback_value(Fallback(3, 6), 1500, average, 2, 0) == 9000
    assert fallback_value(Fallback(3, 6), 1000, value, 2, 4) == 1500
    assert fallback_value(Fallback(3, 5), 1000, value, 2, 3) == 1666
    assert fallback_value(Fallback(3, 6), 1000, value, 2, 0) is None
    assert fallback_value(Fallback(3, 6, FallbackBehavior.SCALING_MODIFIERS), 1000, average, 2, 4) is None


def test_a_value_trigger_without_ready_pods_has_no_fallback() -> None:
    state = KedaState(LONG_AGO, {"m": 9})
    _, action = poll(state, FALLING_BACK, Polled(2, [Trigger("m", None, kind=TargetKind.VALUE)]), NOW)
    assert (action.row, action.fallback) == (Row.FALLBACK_HOLDS, ())


def test_fallback_is_read_as_the_api_serves_it() -> None:
    assert fallback_from(None) is None
    assert fallback_from({"failureThreshold": 3, "replicas": 6}) == Fallback(3, 6)
    raw = {"failureThreshold": 1, "replicas": 2, "behavior": "currentReplicasIfLower"}
    assert fallback_from(raw) == Fallback(1, 2, FallbackBehavior.CURRENT_IF_LOWER)
    with pytest.raises(ValueError, match="sometimes"):
        fallback_from({"behavior": "sometimes"})


def test_a_cached_trigger_answers_with_the_last_poll_even_with_its_error() -> None:
    trigger = Trigger("m", 7.0, use_cached_metrics=True)
    assert cached_answer(KedaState(), trigger) is None
    state, _ = poll(KedaState(), PLAIN, Polled(2, [trigger]), NOW)
    assert cached_answer(state, trigger) == Record(7.0, True, NOW)
    assert cached_answer(state, replace(trigger, use_cached_metrics=False)) is None
    state, _ = poll(state, PLAIN, Polled(2, [replace(trigger, value=None)]), NOW + SECOND)
    assert cached_answer(state, trigger) == Record(None, False, NOW + SECOND)


def test_defaults_of_a_scaled_object() -> None:
    assert scaled_object_from({}) == ScaledObject(0, 100, None, 30, 300, 0)
    assert scaled_object_from({"minReplicaCount": 0, "pollingInterval": 5}).polling_s == 5
    spec = scaled_object_from({"minReplicaCount": 2, "idleReplicaCount": 0})
    assert (spec.activates_to, spec.rests_at, spec.hpa_min) == (2, 0, 2)
    assert (ScaledObject().activates_to, ScaledObject().rests_at, ScaledObject().hpa_min) == (1, 0, 1)


@pytest.mark.parametrize(
    ("annotations", "controls"),
    [
        (None, Controls()),
        ({"autoscaling.keda.sh/paused": "true"}, Controls(paused=True)),
        ({"autoscaling.keda.sh/paused": "false"}, Controls()),
        ({"autoscaling.keda.sh/paused": "yes"}, Controls(paused=True)),
        ({"autoscaling.keda.sh/paused": ""}, Controls(paused=True)),
        ({"autoscaling.keda.sh/paused-replicas": "0"}, Controls(paused=True, paused_replicas=0)),
        ({"autoscaling.keda.sh/paused-replicas": "lots"}, Controls(paused=True)),
        ({"autoscaling.keda.sh/paused-scale-in": "1"}, Controls(scale_in_paused=True)),
        ({"autoscaling.keda.sh/paused-scale-out": "T"}, Controls(scale_out_paused=True)),
        ({"autoscaling.keda.sh/force-activation": "true"}, Controls(force_activation=True)),
        ({"paused": "true", "example.com/paused-scale-in": "true"}, Controls(paused=True)),
    ],
)
def test_steering_annotations(annotations: dict[str, str] | None, controls: Controls) -> None:
    assert controls_from(annotations) == controls


@given(
    st.integers(0, 5),
    st.none() | st.integers(0, 4),
    st.integers(0, 20),
    st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=3),
    st.none() | st.integers(0, 10_000).map(lambda second: second * SECOND),
)
def test_keda_writes_nothing_but_rest_and_minimum(
    least: int, idle: int | None, replicas: int, values: list[float | None], last: int | None
) -> None:
    spec = ScaledObject(least, idle_replicas=idle if idle is not None and idle < least else None, cooldown_s=30)
    state, action = polled(spec, replicas, *values, last=last)
    assert action.after in {None, spec.activates_to, spec.rests_at}
    if all(value is None for value in values):
        assert action.after is None, "an error never scales"
        assert state.last_active == last
