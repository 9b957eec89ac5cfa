"""Who wrote spec.replicas: each rule alone, and what happens when they contradict each other."""

from dataclasses import replace
from typing import Any

import pytest

from afscope.control.authorship import Change, Clues, HpaWrite, KedaEvent, Rule, attribute
from afscope.control.managers import Kind, kind_of
from afscope.control.messages import KedaScaling
from afscope.control.scaledobject import Controls, ScaledObject
from afscope.model.clock import SECOND

AT = 1_000 * SECOND
PLAIN = ScaledObject()


def change(before: int, after: int, manager: str | None = None, **more: Any) -> Change:
    subresource = "scale" if manager in ("keda-operator", "kube-controller-manager") else None
    return Change(
        AT, before, after, manager, "Update" if manager else None, more.pop("subresource", subresource), **more
    )


def keda(before: int, after: int, late_s: int = 0, **more: Any) -> KedaEvent:
    scaling = KedaScaling(after > 0, more.pop("failed", False), "apps/v1.Deployment", "a", "w", before, after, **more)
    return KedaEvent(AT + late_s * SECOND, scaling)


def hpa(after: int, reason: str = "", before: int | None = None, late_s: int = 0) -> HpaWrite:
    return HpaWrite(AT + late_s * SECOND, after, reason, before)


@pytest.mark.parametrize(
    ("made", "clues", "kind", "rule"),
    [
        (change(0, 1), Clues([keda(0, 1)]), Kind.KEDA, Rule.KEDA_EVENT),
        (change(0, 1, managed_fields=False), Clues([keda(0, 1, 4)]), Kind.KEDA, Rule.KEDA_EVENT),
        (change(1, 4), Clues(writes=[hpa(4, "x above target", 1)]), Kind.HPA, Rule.HPA_LOG),
        (change(1, 4), Clues(rescales=[hpa(4, "x above target")]), Kind.HPA, Rule.HPA_EVENT),
        (change(1, 4), Clues(moves=[hpa(4)]), Kind.HPA, Rule.HPA_STATUS),
        (
            change(3, 7),
            Clues(target=replace(PLAIN, controls=Controls(paused=True, paused_replicas=7))),
            Kind.KEDA,
            Rule.KEDA_PAUSE,
        ),
        (change(0, 2), Clues(target=ScaledObject(min_replicas=2), active=False), Kind.KEDA, Rule.MIN_FIX),
        (change(1, 2), Clues(target=ScaledObject(min_replicas=2), active=False), Kind.HPA, Rule.MIN_FIX),
        (change(4, 6), Clues(restored_to=6), Kind.KEDA, Rule.KEDA_RESTORE),
        (change(5, 0), Clues(target=PLAIN, active=False), Kind.KEDA, Rule.KEDA_TO_ZERO),
        (change(5, 2, other_fields=True), Clues(target=PLAIN), Kind.DEPLOYER, Rule.SPEC_CHANGE),
        (change(5, 2, other_fields=False), Clues(target=PLAIN), Kind.UNKNOWN, Rule.LEFT_OVER),
        (change(5, 0), Clues(), Kind.UNKNOWN, Rule.LEFT_OVER),
        (change(5, 0, other_fields=True), Clues(target=PLAIN, active=False), Kind.DEPLOYER, Rule.SPEC_CHANGE),
    ],
)
def test_each_rule_without_an_owner(made: Change, clues: Clues, kind: Kind, rule: Rule) -> None:
    author = attribute(made, clues)
    assert (author.kind, author.rule) == (kind, rule)
    assert 0 < author.confidence < 0.95


def test_the_reason_comes_from_whoever_told() -> None:
    assert attribute(change(0, 1), Clues([keda(0, 1, triggers=("s0-postgresql",))])).reason == (
        "triggered by s0-postgresql"
    )
    assert attribute(change(0, 1), Clues([keda(0, 1, forced=True)])).reason == "forced activation annotation"
    assert attribute(change(1, 4), Clues(rescales=[hpa(4, "All metrics below target")])).reason == (
        "All metrics below target"
    )


@pytest.mark.parametrize(
    "clues",
    [
        Clues([keda(0, 1, 6)]),
        Clues([keda(0, 2)]),
        Clues([keda(3, 1)]),
        Clues([keda(0, 1, failed=True)]),
        Clues(rescales=[hpa(2)]),
        Clues(rescales=[hpa(1, late_s=-6)]),
        Clues(writes=[hpa(1, before=3)]),
    ],
    ids=["too late", "other size", "other start of KEDA", "failed", "other rescale", "too early", "other start"],
)
def test_what_does_not_fit_names_nobody(clues: Clues) -> None:
    assert attribute(change(0, 1), clues).rule is Rule.LEFT_OVER


def test_an_owner_with_an_event_is_certain() -> None:
    author = attribute(change(1, 4, "kube-controller-manager"), Clues(rescales=[hpa(4, "x above target")]))
    assert (author.kind, author.confidence, author.reason) == (Kind.HPA, 1.0, "x above target")
    silent = attribute(change(1, 4, "kube-controller-manager"), Clues())
    assert (silent.kind, silent.rule) == (Kind.HPA, Rule.MANAGED_FIELDS)
    assert silent.confidence < author.confidence


def test_a_person_who_writes_what_the_hpa_wanted_stays_a_person() -> None:
    by_hand = change(1, 4, "kubectl", subresource="scale")
    author = attribute(by_hand, Clues(rescales=[hpa(4, "x above target")], moves=[hpa(4)]))
    assert (author.kind, author.name, author.rule) == (Kind.PERSON, "kubectl", Rule.MANAGED_FIELDS)


def test_a_manifest_that_sets_zero_is_not_kedas() -> None:
    author = attribute(change(5, 0, "helm"), Clues(target=PLAIN, active=False))
    assert (author.kind, author.name) == (Kind.DEPLOYER, "helm")


def test_a_zero_while_a_trigger_is_active_is_not_kedas() -> None:
    assert attribute(change(5, 0), Clues(target=PLAIN, active=True)).kind is Kind.UNKNOWN


def test_the_closest_of_several_events_speaks() -> None:
    events = [keda(0, 1, 4, triggers=("late",)), keda(0, 1, -1, triggers=("near",))]
    assert attribute(change(0, 1), Clues(events)).reason == "triggered by near"


@pytest.mark.parametrize(
    ("manager", "operation", "subresource", "kind"),
    [
        ("keda-operator", "Update", "scale", Kind.KEDA),
        ("kube-controller-manager", "Update", "scale", Kind.HPA),
        ("kube-controller-manager", "Update", None, Kind.UNKNOWN),
        ("kubectl", "Update", "scale", Kind.PERSON),
        ("kubectl-edit", "Update", None, Kind.PERSON),
        ("kubectl", "Apply", None, Kind.DEPLOYER),
        ("kubectl-client-side-apply", "Update", None, Kind.DEPLOYER),
        ("argocd-controller", "Apply", None, Kind.DEPLOYER),
        ("argocd-controller", "Update", None, Kind.DEPLOYER),
        ("helm", "Update", None, Kind.DEPLOYER),
        ("Helm", "Update", None, Kind.DEPLOYER),
        ("helmsman", "Update", None, Kind.UNKNOWN),
        ("lab", "Apply", None, Kind.DEPLOYER),
        ("python-requests", "Update", "scale", Kind.PERSON),
        ("python-requests", "Update", None, Kind.UNKNOWN),
    ],
)
def test_field_managers(manager: str, operation: str, subresource: str | None, kind: Kind) -> None:
    assert kind_of(manager, operation, subresource) is kind
