"""What older versions do otherwise: fallback, pauses, negative values, tolerances."""

from dataclasses import replace

import pytest

from afscope.control.fallback import Fallback
from afscope.control.hpa import INT32_MAX, Behavior, HpaSpec, Metric, Observed, Rules, Tolerances, behavior_from
from afscope.control.keda import KedaState, Polled, Row, Trigger, poll
from afscope.control.recommend import propose
from afscope.control.scaledobject import Controls, ScaledObject
from afscope.control.versions import FallbackEra, Keda, Kubernetes, version_from
from afscope.model.clock import SECOND

NOW = 1000 * SECOND
TARGET = ScaledObject(fallback=Fallback(failure_threshold=3, replicas=6))
FAILING = Trigger("m", None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.20.1", (2, 20, 1)),
        ("v1.36", (1, 36, 0)),
        ("1.33.2-eks-abc", (1, 33, 2)),
        ("main", None),
        ("", None),
        (None, None),
    ],
)
def test_versions_are_read_as_labels_write_them(text: str | None, version: tuple[int, int, int] | None) -> None:
    assert version_from(text) == version


@pytest.mark.parametrize(
    ("version", "failures", "row", "after"),
    [
        ((2, 16, 1), 0, Row.FALLBACK_WRITTEN, 6),
        ((2, 17, 0), 9, Row.FALLBACK_HOLDS, None),
        ((2, 18, 3), 9, Row.FALLBACK_HOLDS, None),
        ((2, 19, 0), 0, Row.FALLBACK_HOLDS, None),
        ((2, 19, 0), 9, Row.ACTIVATED, 1),
        ((2, 20, 2), 9, Row.ACTIVATED, 1),
    ],
)
def test_a_fallback_from_zero(version: tuple[int, int, int], failures: int, row: Row, after: int | None) -> None:
    state = KedaState(failures={"m": failures})
    _, action = poll(state, TARGET, Polled(0, [FAILING]), NOW, Keda(version).fallback)
    assert (action.row, action.after) == (row, after)


def test_an_old_fallback_of_zero_replicas_is_no_write_of_its_own() -> None:
    target = replace(TARGET, fallback=Fallback(3, 0))
    _, action = poll(KedaState(0), target, Polled(2, [FAILING]), NOW, FallbackEra.WRITES)
    assert action.row is Row.DEACTIVATED


def test_annotations_count_from_the_version_that_knows_them() -> None:
    steered = ScaledObject(controls=Controls(True, None, True, True, True), idle_replicas=0, initial_cooldown_s=60)
    assert Keda().known(steered) == steered
    older = Keda((2, 17, 0)).known(steered)
    assert older.controls == Controls(paused=True)
    assert older.initial_cooldown_s == 60
    assert not Keda((2, 11, 0)).known(steered).controls.paused
    assert Keda((2, 11, 0)).known(replace(steered, controls=Controls(True, 4))).controls.paused
    oldest = Keda((2, 3, 0)).known(replace(steered, controls=Controls(True, 4), fallback=Fallback(1, 1)))
    assert (oldest.controls, oldest.idle_replicas, oldest.initial_cooldown_s, oldest.fallback) == (
        Controls(),
        None,
        0,
        None,
    )


def test_a_pause_keeps_the_memory_of_the_hpa_only_before_2_11() -> None:
    assert Keda((2, 11, 0)).deletes_hpa_on_pause
    assert not Keda((2, 10, 1)).deletes_hpa_on_pause


def test_a_negative_value_asks_for_everything_until_keda_clamps_it() -> None:
    metric = Metric("m", 1000)
    asked = []
    for version in ((2, 20, 1), (2, 20, 2)):
        got = propose(metric, Keda(version).told(-1000), Observed(2, 2, []), Tolerances())
        assert got is not None
        asked.append(got.replicas)
    assert asked == [INT32_MAX, 0]


def test_a_tolerance_of_the_hpa_counts_since_1_35_or_behind_its_gate() -> None:
    spec = HpaSpec(10, (Metric("m", 1000),), behavior=behavior_from({"scaleUp": {"tolerance": "0"}}))
    assert Kubernetes((1, 35, 0)).known(spec) == spec
    assert Kubernetes((1, 33, 0), frozenset({"HPAConfigurableTolerance"})).known(spec) == spec
    for old in (Kubernetes((1, 34, 9)), Kubernetes((1, 32, 0), frozenset({"HPAConfigurableTolerance"}))):
        behavior = old.known(spec).behavior
        assert behavior is not None
        assert behavior.up.tolerance is None
        assert behavior.down == Behavior().down
    plain = HpaSpec(10, (Metric("m", 1000),))
    assert Kubernetes((1, 30, 0)).known(plain) is plain


def test_rules_without_a_tolerance_stay_as_they_are() -> None:
    spec = HpaSpec(10, (Metric("m", 1000),), behavior=Behavior(down=Rules((), window_s=60)))
    assert Kubernetes((1, 30, 0)).known(spec) == spec
