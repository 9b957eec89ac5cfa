"""Every Airflow from 2.2 to 3.3: what can be read is read, by the names that columns have there."""

from collections.abc import Mapping
from typing import Any

import pytest

from afscope.capture.airflow.collector import probe
from afscope.errors import CannotConnect
from afscope.model.clock import SECOND
from afscope.normalize.airflow.tables import COLUMNS, READERS
from afscope.normalize.airflow.versions import Version
from afscope.normalize.redact import Redactor
from afscope.replay.airflow.schema import releases, schema
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import Lab
from tests.capture.conftest import START, Deck

KINDS = ("sqlite", "postgresql", "mariadb")


@pytest.mark.parametrize("version", releases(), ids=lambda v: ".".join(map(str, v)))
def test_one_poll_of_each_version(deck: Deck, make_lab: MakeLab, version: Version) -> None:
    lab = make_lab(KINDS[version[1] % 3], version)
    lab.insert("slot_pool", {"pool": "default_pool", "slots": 128})
    lab.insert("dag", {"dag_id": "etl", "is_paused": True})
    lab.run(queued_at=START - SECOND)
    lab.task(state="queued", queued_dttm=START)
    lab.task("idle", None)
    lab.insert("job", {"job_type": "SchedulerJob", "state": "running", "latest_heartbeat": START})
    lab.insert("log", {"dttm": START, "event": "cli_scheduler"})
    watch = Watch(deck, lab)
    assert watch.poll()
    rows = {row["task_id"]: row for row in watch.rows("task_instances")}
    assert rows["t1"]["map_index"] == rows["idle"]["map_index"] == -1
    assert rows["t1"]["queued_dttm"].timestamp() * SECOND == START
    assert rows["idle"]["state"] is None
    assert watch.rows("dags")[0]["is_paused"] is True
    assert watch.rows("dag_runs")[0]["queued_at"].timestamp() * SECOND == START - SECOND
    assert [len(watch.rows(table)) for table in ("pools", "jobs", "db_log")] == [1, 1, 1]
    assert watch.rows("airflow_config")[0]["value"] == schema(version).head
    lab.move({"dag_id": "etl", "run_id": "r1", "task_id": "t1"}, "success")
    assert watch.poll()
    assert watch.states("t1")[-1] == ("MODIFIED", "success")


class Asked(dict[str, Any]):
    """A row that notes which columns are looked at; every value is null."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False


@pytest.mark.parametrize("table", READERS)
def test_columns_are_those_that_the_readers_look_at(table: str) -> None:
    asked = Asked()
    row: Mapping[str, Any] = asked
    READERS[table](row, (3, 3), Redactor())
    assert set(COLUMNS[table]) == asked.names


@pytest.mark.parametrize("kind", KINDS)
def test_another_database_is_refused(make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, tables=())
    with pytest.raises(CannotConnect, match="has no tables of Airflow") as caught:
        probe(lab.login)
    assert "right database" in caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_airflow_1_is_refused(make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, tables=("alembic_version",))
    lab.execute(
        "CREATE TABLE task_instance (task_id varchar(250), dag_id varchar(250), execution_date timestamp, state varchar(20), try_number int)"
    )
    lab.execute(
        "CREATE TABLE dag_run (id int, dag_id varchar(250), run_id varchar(250), execution_date timestamp, state varchar(50))"
    )
    with pytest.raises(CannotConnect, match=r"Airflow before 2\.2 cannot be recorded: \w+ has no \w+") as caught:
        probe(lab.login)
    assert caught.value.hint == "Airflow 2.2 to 3.3 can"


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_recorded_is_told(make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind, (2, 11))
    told = probe(lab.login)
    assert told.endswith("Airflow 2.10.3 up to before 3.0.0")
    assert {"sqlite": "sqlite", "postgresql": "postgresql afscope_test_", "mariadb": "mysql afscope_test_"}[
        kind
    ] in told


def test_an_unknown_head_is_judged_by_its_columns(make_lab: MakeLab) -> None:
    lab = make_lab("sqlite", (3, 1))
    lab.execute("UPDATE alembic_version SET version_num = 'abcdef012345'")
    assert probe(lab.login).endswith("Airflow about 3.0")


def test_a_migration_under_way(watch: Watch, lab: Lab) -> None:
    """Columns vanish and come; what was open is still known, and nothing of the log is written twice."""
    lab.run()
    key = lab.task("a", "running")
    lab.task("b", "queued")
    lab.insert("log", {"id": 1, "dttm": START, "event": "x"})
    assert watch.poll()
    lab.execute("ALTER TABLE task_instance DROP COLUMN executor")
    lab.move(key, "success")
    assert not watch.poll()
    lab.execute("UPDATE alembic_version SET version_num = '22ed7efa9da2'")
    lab.insert("log", {"id": 2, "dttm": START, "event": "y"})
    assert watch.poll()
    assert watch.states("a")[-1] == ("MODIFIED", "success")
    assert watch.states("b")[-1] == ("MODIFIED", "queued")
    assert [row["id"] for row in watch.rows("db_log")] == [1, 2]
    assert [row["value"] for row in watch.rows("airflow_config")] == ["5f2621c13b39", "22ed7efa9da2"]
    assert "executor" in watch.rows("gaps")[0]["reason"]
    assert watch.deck.sources["task_instances"][0] == "partial"
