"""Pseudonyms: the same name is the same everywhere, nothing else changes, and a leak is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afscope.store.pseudonyms import Leaks, Pseudonyms


def known(**names: str) -> Pseudonyms:
    """Pseudonyms that know `kind=name` pairs; a kind may carry a number at its end."""
    made = Pseudonyms()
    for kind, name in names.items():
        made.learn(kind.rstrip("0123456789"), name)
    made.number()
    return made


def test_names_are_replaced_wherever_they_stand() -> None:
    names = known(dag="acme_orders", namespace="acme-prod", workload="acme-worker")
    assert names.text("acme_orders") == "dag_1"
    assert names.text("Task acme_orders.load in acme-prod") == "Task dag_1.load in namespace-1"
    assert names.text("acme-worker-7d9fb8c6b5-x2x4z") == "workload-1-7d9fb8c6b5-x2x4z"
    assert names.text("host=acme-worker-0.acme-prod.svc") == "host=workload-1-0.namespace-1.svc"
    assert names.text("dag_id='acme_orders'") == "dag_id='dag_1'"


def test_another_notation_is_still_the_name() -> None:
    names = known(dag="acme_orders")
    assert names.text("acme-orders-load-8x2z") == "dag-1-load-8x2z"
    assert names.text("ACME_ORDERS") == "dag_1"
    assert names.text("acme.orders") == "dag.1"


def test_parts_of_words_are_no_names() -> None:
    assert known(queue="gpu").text("gpus use megagpu, not gpu") == "gpus use megagpu, not queue_1"


def test_the_longest_name_wins() -> None:
    names = known(dag="acme", dag2="acme_orders_daily")
    assert names.text("acme_orders_daily and acme_orders") == "dag_2 and dag_1_orders"


def test_words_of_the_field_stay() -> None:
    names = known(workload="airflow-worker", queue="default", pool="default_pool")
    assert names.text("airflow-worker default default_pool") == "airflow-worker default default_pool"
    assert names.kept == {"airflow-worker", "default", "default_pool"}
    assert names.names == {}


def test_numbers_follow_the_order_of_names() -> None:
    made = Pseudonyms()
    for number in (7, 3, 11, 1):
        made.learn("task", f"acme{number:02}")
    made.number()
    assert [made.text(f"acme{n:02}") for n in (1, 3, 7, 11)] == ["task_1", "task_2", "task_3", "task_4"]


def test_names_that_controllers_make_need_not_be_known() -> None:
    made = Pseudonyms()
    made.learn("workload", "acme-worker")
    for name in ("acme-worker-7d9fb8c6b5", "acme-worker-7d9fb8c6b5-x2x4z", "acme-worker-12", "keda-hpa-acme-worker",
                 "acme-worker-0.18ea76f1a1b3d4eb"):  # fmt: skip
        made.learn_made("pod", name)
    made.learn_made("pod", "acme-worker-customer")
    made.number()
    assert set(made.names) == {"acme-worker", "acme-worker-customer"}


def test_addresses_hosts_and_mail() -> None:
    names = known()
    text = "dial tcp 10.20.30.40:5432 (db.acme-corp.internal), again 10.20.30.40, told ops@acme.com, 127.0.0.1"
    told = names.text(text)
    assert told == ("dial tcp 198.18.0.1:5432 (host-1.example), again 198.18.0.1, told user-1@mail.example, 127.0.0.1")
    assert names.text("external.metrics.k8s.io scaledobject.keda.sh") == "external.metrics.k8s.io scaledobject.keda.sh"


def test_json_keeps_its_shape() -> None:
    names = known(label="acme-team", value="payroll")
    assert names.value({"acme-team": ["payroll", 3, None, True]}) == {"label-1": ["value-1", 3, None, True]}


@pytest.mark.parametrize(
    "text", ["acme_orders", "x-acme-orders-y", "Acme.Orders", "acme  orders", "{'a':'acme/orders'}"]
)
def test_a_leak_is_found_in_any_notation(text: str) -> None:
    assert Leaks(["acme_orders"]).find(text) == "acme_orders"


@pytest.mark.parametrize("text", ["acme", "acmeorders", "orders acme", ""])
def test_what_is_no_leak(text: str) -> None:
    assert Leaks(["acme_orders"]).find(text) is None


@given(st.lists(st.text(min_size=1, max_size=12), max_size=8), st.text(max_size=80))
def test_nothing_learned_survives(found: list[str], around: str) -> None:
    made = Pseudonyms()
    for name in found:
        made.learn("\u4e4b", name)  # a kind that no generated name is
    made.number()
    leaks = Leaks(made.names)
    for name in found:
        told = made.text(f"{around} {name} {around}")
        assert leaks.find(told) is None
