"""The shipped schemas: which version gets which, and that every database makes every one as it is written."""

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from afscope.normalize.airflow.tables import KEYS
from afscope.normalize.airflow.versions import Version, by_columns, first_release
from afscope.replay.airflow.database import Database
from afscope.replay.airflow.history import Change
from afscope.replay.airflow.schema import releases, schema
from afscope.replay.airflow.state import State
from afscope.replay.airflow.target import Target

EVERY = list(releases())


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ((2, 2), "2.2.5"),
        ((2, 10), "2.10.5"),
        ((2, 11), "2.10.5"),
        ((3, 0), "3.0.6"),
        ((3, 9), "3.3.2"),
        ((1, 0), "2.2.5"),
    ],
)
def test_a_version_gets_its_schema_or_the_nearest_before(wanted: Version, got: str) -> None:
    assert schema(wanted).release == got


@pytest.mark.parametrize("version", EVERY)
def test_a_schema_agrees_with_what_the_normalizer_knows_of_its_version(version: Version) -> None:
    made = schema(version)
    assert first_release(made.head) == version
    columns = made.tables["task_instance"].columns
    told = by_columns(columns.keys())
    assert told is not None
    assert told <= version
    for table, key in KEYS.items():
        assert set(key) <= set(made.tables[table].columns), table


def test_columns_that_came_and_went() -> None:
    assert "map_index" not in schema((2, 2)).tables["task_instance"].columns
    assert "include_deferred" not in schema((2, 6)).tables["slot_pool"].columns
    assert {"execution_date", "external_trigger"} <= set(schema((2, 10)).tables["dag_run"].columns)
    assert "execution_date" not in schema((3, 0)).tables["dag_run"].columns
    assert "job_id" not in schema((3, 0)).tables["task_instance"].columns
    assert schema((3, 3)).tables["task_instance"].primary_key == ("id",)
    assert schema((2, 10)).tables["task_instance"].primary_key == ("dag_id", "task_id", "run_id", "map_index")


@pytest.mark.parametrize("version", EVERY, ids=lambda version: "{}.{}".format(*version))
def test_every_database_makes_every_version(database: str, version: Version) -> None:
    made = schema(version)
    there = Database(Target.of(database), made)
    there.create()
    try:
        inspector = inspect(create_engine(database, poolclass=NullPool))
        for name, table in made.tables.items():
            found = {column["name"]: column for column in inspector.get_columns(name)}
            assert list(found) == list(table.columns), name
            assert {c for c in found if found[c]["nullable"]} == {c for c, spec in table.columns.items() if spec.null}
            assert inspector.get_pk_constraint(name)["constrained_columns"] == list(table.primary_key)
            unique = {tuple(key["column_names"]) for key in inspector.get_unique_constraints(name)}
            assert unique == set(table.unique.values()), name
            indexes = {str(index["name"]): index["column_names"] for index in inspector.get_indexes(name)}
            for index, spec in table.indexes.items():
                assert indexes[index] == list(spec.columns)
    finally:
        there.close()


@pytest.mark.parametrize("version", EVERY, ids=lambda version: "{}.{}".format(*version))
def test_rows_of_which_only_the_keys_are_known_can_be_written(database: str, version: Version) -> None:
    made = schema(version)
    state = State(made, 1_795_000_000_000_000)
    writes = []
    for table, key in KEYS.items():
        for number in (1, 2):
            row = {name: number if name == "id" else f"{name}{number}" for name in key}
            writes += list(state.apply(Change(table, tuple(row.values()), row)))
    there = Database(Target.of(database), made)
    there.create()
    try:
        there.write(writes)
        assert len(writes) == 2 * len(KEYS)
    finally:
        there.close()
