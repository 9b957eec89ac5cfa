"""What a change writes: complete rows, nothing twice, and no two rows that no database could hold together."""

from typing import Any

from afscope.replay.airflow.history import Change
from afscope.replay.airflow.schema import schema
from afscope.replay.airflow.state import State, Verb, Write

BEGINS = 1_795_000_000_000_000


def state(minor: int = 10, major: int = 2) -> State:
    return State(schema((major, minor)), BEGINS)


def ti(task_id: str, **row: Any) -> Change:
    key = ("etl", "r1", task_id, -1)
    named = dict(zip(("dag_id", "run_id", "task_id", "map_index"), key, strict=True))
    return Change("task_instance", key, {**named, **row})


def dag_run(run_id: str, **row: Any) -> Change:
    return Change("dag_run", ("etl", run_id), {"dag_id": "etl", "run_id": run_id, "run_type": "manual", **row})


def apply(to: State, *changes: Change) -> list[tuple[Verb, str]]:
    return [(write.verb, write.table) for change in changes for write in to.apply(change)]


def only(writes: list[Write]) -> Write:
    (write,) = writes
    return write


def test_a_row_is_inserted_once_then_updated_and_what_was_not_recorded_stays() -> None:
    rows = state()
    first = only(list(rows.apply(ti("a", state="queued", queue="gpu"))))
    assert first.verb is Verb.INSERT
    assert set(first.row) == set(schema((2, 10)).tables["task_instance"].columns)
    second = only(list(rows.apply(ti("a", state="running"))))
    assert second.verb is Verb.UPDATE
    assert (second.row["state"], second.row["queue"]) == ("running", "gpu")


def test_a_row_that_says_what_is_known_writes_nothing() -> None:
    rows = state()
    assert apply(rows, ti("a", state="queued")) == [(Verb.INSERT, "task_instance")]
    assert apply(rows, ti("a", state="queued")) == []


def test_null_is_a_value_where_the_column_may_be_null_and_unknown_where_not() -> None:
    rows = state()
    apply(rows, ti("a", state="queued", pool="tiny"))
    write = only(list(rows.apply(ti("a", state=None, pool=None))))
    assert write.row["state"] is None
    assert write.row["pool"] == "tiny"


def test_what_is_gone_is_deleted_once_and_may_come_back() -> None:
    rows = state()
    gone = Change("dag", ("etl",), None)
    there = Change("dag", ("etl",), {"dag_id": "etl"})
    assert apply(rows, gone, there, gone, gone, there) == [
        (Verb.INSERT, "dag"), (Verb.DELETE, "dag"), (Verb.INSERT, "dag"),
    ]  # fmt: skip


def test_a_run_made_anew_for_the_same_date_replaces_the_one_nobody_saw_go() -> None:
    rows = state()
    apply(rows, dag_run("r1", id=1, execution_date=BEGINS))
    assert apply(rows, dag_run("r2", id=2, execution_date=BEGINS)) == [
        (Verb.DELETE, "dag_run"),
        (Verb.INSERT, "dag_run"),
    ]
    assert list(rows.rows["dag_run"]) == [("etl", "r2")]


def test_nulls_do_not_stand_in_each_others_way() -> None:
    rows = state(0, 3)
    apply(rows, dag_run("r1", id=1, logical_date=None), dag_run("r2", id=2, logical_date=None))
    assert len(rows.rows["dag_run"]) == 2


def test_what_is_made_up_is_the_same_in_every_run_and_differs_between_rows() -> None:
    def made() -> list[tuple[Any, Any]]:
        rows = state(3, 3)
        apply(rows, *(ti(name, state="queued") for name in "abc"), dag_run("r1"), dag_run("r2"))
        ids = [(row["id"], row["span_status"]) for row in rows.rows["task_instance"].values()]
        return ids + [(row["id"], row["run_after"]) for row in rows.rows["dag_run"].values()]

    assert made() == made()
    assert len(set(made())) == 5
    assert made()[0][1] == "not_started"
