"""How long scaling takes when nothing is wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.control.hpa import Behavior, Controller, HpaSpec, Metric, Policy, PolicyKind, Rules, Select
from afscope.control.ramp import Bounds, Timers, ramp, scale_in, scale_out, to_rest
from afscope.control.scaledobject import ScaledObject

METRIC = Metric("m", 1000)
EMPTY = Behavior()


def hpa(behavior: Behavior | None = None, most: int = 100_000) -> HpaSpec:
    return HpaSpec(most, (METRIC,), 1, behavior)


@given(st.integers(5, 5000))
def test_the_number_of_syncs_has_a_closed_form(size: int) -> None:
    exact = Controller(tolerance=0.0)
    assert ramp(hpa(), size, controller=exact).syncs_to(size) == 1 + math.ceil(math.log2(size / 4))
    assert ramp(hpa(EMPTY), size, controller=exact).syncs_to(size) == 1 + math.ceil(math.log2(size / 5))


@pytest.mark.parametrize(("behavior", "syncs"), [(None, 5), (EMPTY, 4)])
def test_forty_workers(behavior: Behavior | None, syncs: int) -> None:
    bounds = scale_out(hpa(behavior), 40, Timers(polling_s=30))
    assert bounds == Bounds((syncs - 1) * 15, 30 + 15 + (syncs - 1) * 15)


def test_a_custom_policy_stretches_the_ramp() -> None:
    slow = Behavior(up=Rules((Policy(PolicyKind.PODS, 2, 60),), window_s=0))
    assert ramp(hpa(slow), 7).steps == ((0, 1), (1, 3), (5, 5), (9, 7))


def test_a_scale_up_window_delays_the_first_step() -> None:
    patient = Behavior(up=Rules(EMPTY.up.policies, window_s=60))
    first = ramp(hpa(patient), 4).steps[1]
    assert first == (5, 4), "the seed made at the first sync must leave the window first"


def test_a_ceiling_or_a_disabled_direction_is_never_passed() -> None:
    assert ramp(hpa(most=6), 40).settled == 6
    assert scale_out(hpa(most=6), 7, Timers(5)) is None
    paused = Behavior(up=Rules(EMPTY.up.policies, Select.DISABLED, 0))
    assert scale_out(hpa(paused), 2, Timers(5)) is None


def test_the_tolerance_can_end_a_ramp_below_the_demand() -> None:
    assert ramp(hpa(EMPTY), 11).steps == ((0, 1), (1, 5), (2, 10))
    assert scale_out(hpa(), 11, Timers(5), start=10) is None
    assert scale_out(hpa(), 11, Timers(5), start=10, demand=14) == Bounds(0, 15)


def test_one_worker_needs_only_the_poll() -> None:
    assert scale_out(hpa(), 1, Timers(polling_s=5)) == Bounds(0, 5)
    assert scale_out(hpa(), 1, Timers(polling_s=5, poll_work_s=8)) == Bounds(0, 16)
    assert scale_out(hpa(), 3, Timers(polling_s=5), start=3) == Bounds(0, 0)


def test_bounds_explain_what_fits_into_them() -> None:
    bounds = Bounds(1, 20)
    assert bounds.explains(0.5)
    assert bounds.explains(20)
    assert not bounds.explains(20.1)
    assert bounds.explains(22, slack_s=2)
    assert bounds + Bounds(1, 1) == Bounds(2, 21)


def test_the_way_down() -> None:
    assert scale_in(hpa(), Timers(5)) == Bounds(300, 330)
    quick = Behavior(down=Rules(EMPTY.down.policies, window_s=0))
    assert scale_in(hpa(quick), Timers(5)).least_s == 0
    assert to_rest(ScaledObject(cooldown_s=30), Timers(polling_s=5)) == Bounds(30, 40)
