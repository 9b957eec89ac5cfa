"""Whose database it is: empty ones and our own are taken, anybody else's is left as it is."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.pool import NullPool

from afscope.errors import CannotReplay
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.database import MARKER, Database
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.schema import schema
from afscope.replay.airflow.server import AirflowReplay
from afscope.replay.airflow.target import Target
from tests.replay.airflow.conftest import Serve, at, query, record, task, until
from tests.replay.airflow.servers import execute


def tables(url: str) -> set[str]:
    return set(inspect(create_engine(url, poolclass=NullPool)).get_table_names())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return record(tmp_path / "recording", (0, {"task_instance": [task()]}))


def replay(source: Path, url: str | None) -> AirflowReplay:
    history = AirflowHistory.of(source)
    return AirflowReplay(history, ScaledPace(history.begins, paused=True), url)


def test_it_leaves_an_empty_database_empty(source: Path, database: str) -> None:
    with replay(source, database):
        assert tables(database) == {*schema((2, 10)).tables, MARKER}
    if make_url(database).get_backend_name() == "sqlite":
        assert not Path(make_url(database).database or "").exists()
    else:
        assert tables(database) == set()


@pytest.mark.parametrize("theirs", ["task_instance", "somebodys"])
def test_a_database_with_tables_of_others_is_refused_and_left_alone(source: Path, database: str, theirs: str) -> None:
    execute(database, f"CREATE TABLE {theirs} (a int)", f"INSERT INTO {theirs} VALUES (7)")
    with pytest.raises(CannotReplay) as refused:
        replay(source, database).start()
    assert refused.value.what.endswith(f" is not empty: it holds {theirs}")
    assert query(database, f"SELECT a FROM {theirs}") == [(7,)]
    assert tables(database) == {theirs}


def test_a_view_of_others_is_in_the_way_too(source: Path, database: str) -> None:
    execute(database, "CREATE VIEW dag AS SELECT 1 AS one")
    with pytest.raises(CannotReplay, match="holds dag"):
        replay(source, database).start()
    assert query(database, "SELECT one FROM dag") == [(1,)]


def test_what_a_killed_replay_left_is_replaced(source: Path, database: str) -> None:
    Path(make_url(database).database or "x").touch() if "sqlite" in database else None
    left = Database(Target.of(database), schema((3, 3)))
    left.create()
    left.abandon()  # hangs up without dropping, as a kill does
    assert MARKER in tables(database)
    with replay(source, database):
        assert query(database, "SELECT count(*) FROM task_instance") == [(1,)]
        assert tables(database) == {*schema((2, 10)).tables, MARKER}


def test_a_table_that_came_beside_ours_is_not_ours(source: Path, database: str) -> None:
    Path(make_url(database).database or "x").touch() if "sqlite" in database else None
    with replay(source, database):
        execute(database, "CREATE TABLE theirs (a int)")
    assert tables(database) == {"theirs"}


def test_tables_of_others_on_the_search_path_are_not_ours(source: Path, postgresql: str) -> None:
    """A marker that lists `dag` must not lead to the `dag` of another schema."""
    execute(postgresql, "CREATE SCHEMA theirs", "CREATE TABLE theirs.dag (a int)")
    database = make_url(postgresql).database
    execute(postgresql, f"ALTER DATABASE {database} SET search_path = public, theirs")
    execute(postgresql, f"CREATE TABLE {MARKER} (table_name varchar(64))", f"INSERT INTO {MARKER} VALUES ('dag')")
    with pytest.raises(CannotReplay, match="holds dag"):
        replay(source, postgresql).start()
    assert query(postgresql, "SELECT count(*) FROM theirs.dag") == [(0,)]


def test_what_was_never_started_leaves_nothing(source: Path) -> None:
    idle = replay(source, None)
    folder = Path(idle.url.removeprefix("sqlite:///")).parent
    assert folder.is_dir()
    idle.stop()
    assert not folder.exists()


def test_two_replays_do_not_share_a_database(source: Path, server_database: str) -> None:
    with replay(source, server_database):
        with pytest.raises(CannotReplay, match="another replay is using"):
            replay(source, server_database).start()
        assert query(server_database, "SELECT count(*) FROM task_instance") == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no url",
        "oracle://u@h/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://u@h",
        "postgresql://u:pw-1@h:x/db",
    ],
)
def test_urls_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(CannotReplay) as refused:
        Target.of(text)
    assert "pw-1" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql://u:pw-1@h/db", "postgresql+psycopg"),
        ("postgres://u:pw-1@h/db", "postgresql+psycopg"),
        ("postgresql+psycopg2://u:pw-1@h/db", "postgresql+psycopg"),
        ("mysql+mysqldb://u:pw-1@h/db", "mysql+pymysql"),
        ("mariadb://u:pw-1@h/db", "mysql+pymysql"),
    ],
)
def test_airflows_urls_get_the_drivers_that_are_here_and_no_message_has_the_password(text: str, driver: str) -> None:
    target = Target.of(text)
    assert target.url.drivername == driver
    assert target.url.password == "pw-1"
    assert "pw-1" not in target.shown


@pytest.mark.parametrize("text", ["postgresql://u@h/db?password=pw-1", "mysql://u@h/db?passwd=pw-1"])
def test_a_password_in_the_query_of_a_url_is_not_shown_either(text: str) -> None:
    target = Target.of(text)
    assert "pw-1" in target.url.render_as_string(hide_password=False)
    assert "pw-1" not in target.shown


@pytest.mark.parametrize("url", ["postgresql://u:pw-1@127.0.0.1:9/db", "mysql://u:pw-1@127.0.0.1:9/db"])
def test_a_server_that_is_not_there_is_told_in_one_sentence(source: Path, url: str) -> None:
    with pytest.raises(CannotReplay) as refused:
        replay(source, url).start()
    assert "cannot be used" in refused.value.what
    assert "pw-1" not in str(refused.value)
    assert len(refused.value.what.splitlines()) == 1
    assert not re.search(r"sqlalche\.me|Background on", refused.value.what)


def test_a_file_that_is_no_database_is_told_and_left(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)
    with pytest.raises(CannotReplay, match="not a database"):
        replay(source, f"sqlite:///{file}").start()
    assert file.read_text() == "not a database " * 100


def test_rows_that_cannot_be_written_end_the_replay_with_a_sentence(
    tmp_path: Path, serve: Serve, postgresql: str
) -> None:
    """A table that somebody changed under our hands."""
    source = record(tmp_path / "r", (0, {"task_instance": [task()]}), (5, {"task_instance": [task("t2")]}))
    running = serve(source, postgresql)
    execute(postgresql, "ALTER TABLE task_instance DROP COLUMN hostname")
    running.pace.jump(at(5))

    with pytest.raises(CannotReplay, match=r"cannot be written.*hostname"):
        until(running.server.settled)
