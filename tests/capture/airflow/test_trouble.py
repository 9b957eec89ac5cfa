"""Databases that refuse, hang, restart, lock, or are too much: failed polls, gaps, states, and going on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import sqlalchemy as sa

from afscope.capture.airflow.collector import HOLED, AirflowCollector, probe
from afscope.capture.airflow.login import Login, parse, replace_address
from afscope.capture.airflow.options import PollOptions
from afscope.capture.airflow.trouble import LoginRefused, NotGranted, Unreachable
from afscope.errors import CannotConnect
from afscope.model.clock import SECOND
from afscope.model.pace import SystemPace
from tests.capture.airflow.conftest import MakeLab, Watch
from tests.capture.airflow.lab import Lab
from tests.capture.airflow.line import line_to
from tests.capture.conftest import START, Deck
from tests.replay.airflow.servers import MARIADB, POSTGRESQL, execute


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, make_lab: MakeLab) -> Lab:
    """Airflow 2.10 on each database that has a server."""
    return make_lab(request.param)


def polls(deck: Deck) -> list[tuple[str, str | None]]:
    return [(row["outcome"], row["error"]) for row in deck.rows("polls")]


def gaps(deck: Deck) -> dict[str, tuple[float, float, str]]:
    return {
        row["source"]: (
            row["from_ts"].timestamp() - START / SECOND,
            row["to_ts"].timestamp() - START / SECOND,
            row["reason"],
        )
        for row in deck.rows("gaps")
    }


# Restarts


def test_a_server_that_restarts_is_a_hole_and_what_happened_meanwhile_is_found(deck: Deck, server: Lab) -> None:
    server.run()
    key = server.task("a", "running")
    with line_to(server) as (line, login):
        collector = AirflowCollector(deck.tape, lambda: login)
        deck.pace.step(5)
        assert collector.poll_once()
        server.move(key, "success")
        line.cut()
        deck.pace.step(5)
        assert not collector.poll_once()
        deck.pace.step(5)
        assert collector.poll_once()
        collector.close()
    assert [outcome for outcome, _ in polls(deck)] == ["ok", "failed", "ok"]
    found = gaps(deck)
    assert set(found) == set(HOLED)
    assert found["task_instances"][:2] == (5.0, 15.0)
    assert deck.rows("task_instances")[-1]["state"] == "success"
    assert deck.sources["task_instances"][0] == "partial"
    assert deck.sources["db_log"] == ("ok", "")


def test_a_server_that_is_down_is_told_and_never_ok(deck: Deck, server: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    collector = AirflowCollector(deck.tape, lambda: replace_address(server.login(), "127.0.0.1", port))
    for _ in range(3):
        deck.pace.step(5)
        assert not collector.poll_once()
    collector.close()
    assert {outcome for outcome, _ in polls(deck)} == {"failed"}
    assert all("refused" in str(error).lower() for _, error in polls(deck))
    assert deck.sources["task_instances"][0] == deck.sources["db_log"][0] == deck.sources["task_counts"][0] == "failed"
    assert gaps(deck)["dag_runs"][:2] == (5.0, 15.0)
    with pytest.raises(Unreachable):
        probe(lambda: replace_address(server.login(), "127.0.0.1", port))


def test_a_server_that_hangs_is_given_up(deck: Deck, server: Lab) -> None:
    with line_to(server) as (line, login):
        collector = AirflowCollector(deck.tape, lambda: login, PollOptions(answer_within_s=0.5))
        deck.pace.step(5)
        assert collector.poll_once()
        line.silent.set()
        deck.pace.step(5)
        assert not collector.poll_once()
        line.silent.clear()
        deck.pace.step(5)
        assert collector.poll_once()
        collector.close()
    assert [outcome for outcome, _ in polls(deck)] == ["ok", "failed", "ok"]


def test_the_end_of_the_recording_does_not_wait_for_a_server_that_hangs(deck: Deck, make_lab: MakeLab) -> None:
    with line_to(make_lab("postgresql")) as (line, login):
        collector = AirflowCollector(deck.tape, lambda: login, PollOptions(answer_within_s=3600))
        assert collector.poll_once()
        line.silent.set()
        stop = threading.Event()
        thread = threading.Thread(target=collector.run, args=(stop,))
        thread.start()
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
    assert [outcome for outcome, _ in polls(deck)] == ["ok"]


# Locks and slow statements


def test_a_locked_table_is_a_failed_poll_on_a_connection_that_stays(deck: Deck, server: Lab) -> None:
    server.run()
    server.task("a", "running")
    watch = Watch(deck, server)
    assert watch.poll()
    with server.engine.connect() as other:
        if server.kind == "postgresql":
            other.exec_driver_sql("LOCK TABLE task_instance IN ACCESS EXCLUSIVE MODE")
        else:
            other.exec_driver_sql("LOCK TABLES task_instance WRITE")
        assert not watch.poll()
        assert not watch.poll()
    assert watch.poll()
    watch.collector.close()
    assert [outcome for outcome, _ in polls(deck)] == ["ok", "failed", "failed", "ok"]
    assert "lock" in str(polls(deck)[1][1]).lower()
    assert gaps(deck)["task_instances"][:2] == (5.0, 20.0)
    assert watch.states("a") == [("STATE", "running")]


def test_a_statement_that_takes_too_long_is_ended_by_the_server(deck: Deck, server: Lab) -> None:
    """A view that sleeps stands for a table that lost its index."""
    sleep = "pg_sleep(60)::text" if server.kind == "postgresql" else "CAST(sleep(60) AS char)"
    server.execute("ALTER TABLE slot_pool RENAME TO real_pool")
    server.execute("INSERT INTO real_pool (id, pool, slots, include_deferred) VALUES (1, 'p', 1, false)")
    server.execute(f"CREATE VIEW slot_pool AS SELECT pool || {sleep} AS pool, slots, include_deferred FROM real_pool")
    watch = Watch(deck, server, statement_s=0.2)
    assert not watch.poll()
    watch.collector.close()
    assert polls(deck)[0][0] == "failed"


# Rights


@contextmanager
def role(lab: Lab, *grants: str) -> Iterator[Login]:
    """A login that may do nothing else."""
    name = f"afscope_{str(lab.login().url.database)[-8:]}"
    postgres = lab.kind == "postgresql"
    admin = POSTGRESQL if postgres else MARIADB
    execute(admin, f"CREATE USER {name} PASSWORD 'tell-nobody'" if postgres else f"CREATE USER {name}@'%' IDENTIFIED BY 'tell-nobody'")  # fmt: skip
    try:
        for grant in grants:
            lab.execute(f"GRANT {grant} TO {name}" if postgres else f"GRANT {grant} TO {name}@'%'")
        yield parse(lab.login().url.set(username=name, password="tell-nobody").render_as_string(hide_password=False))
    finally:
        lab.execute(f"DROP OWNED BY {name}") if postgres else None
        execute(admin, f"DROP USER {name}" if postgres else f"DROP USER {name}@'%'")


def on(*tables: str) -> list[str]:
    return [f"SELECT ON {table}" for table in tables]


ALL = (
    "alembic_version",
    "dag",
    "dag_run",
    "task_instance",
    "task_instance_history",
    "slot_pool",
    "job",
    "celery_taskmeta",
)


def test_a_table_that_is_not_granted_is_left_out_and_told(deck: Deck, server: Lab) -> None:
    server.run()
    server.task("a", "running")
    server.insert("log", {"dttm": START, "event": "x"})
    with role(server, *on(*ALL)) as login:
        assert probe(lambda: login).endswith("; not granted: db_log")
        collector = AirflowCollector(deck.tape, lambda: login)
        deck.pace.step(5)
        assert collector.poll_once()
        assert deck.sources["db_log"] == ("forbidden", "airflow_db: the role may not read log")
        assert deck.sources["task_instances"] == ("ok", "")
        assert deck.rows("task_instances")[0]["task_id"] == "a"
        collector.close()


def test_a_grant_that_is_revoked_and_given_back(deck: Deck, server: Lab) -> None:
    with role(server, *on("log", *ALL)) as login:
        collector = AirflowCollector(deck.tape, lambda: login, PollOptions(schema_every_s=10))
        deck.pace.step(5)
        assert collector.poll_once()
        whom = login.url.username if server.kind == "postgresql" else f"{login.url.username}@'%'"
        server.execute(f"REVOKE SELECT ON job FROM {whom}")
        deck.pace.step(5)
        assert not collector.poll_once()
        deck.pace.step(5)
        assert collector.poll_once()
        assert deck.sources["jobs"][0] == "forbidden"
        server.execute(f"GRANT SELECT ON job TO {whom}")
        deck.pace.step(10)
        assert collector.poll_once()
        assert deck.sources["jobs"][0] == "partial"
        collector.close()


def test_columns_that_are_not_granted_are_left_out(deck: Deck, server: Lab) -> None:
    columns = "dag_id, run_id, task_id, map_index, state, try_number, queue"
    server.run()
    server.task("a", "running", hostname="w-1")
    grants = on(*(name for name in ALL if name not in ("task_instance", "task_instance_history")))
    with role(server, *grants, f"SELECT ({columns}) ON task_instance") as login:
        collector = AirflowCollector(deck.tape, lambda: login)
        assert collector.poll_once()
        (row,) = deck.rows("task_instances")
        assert (row["queue"], row["hostname"]) == ("default", None)
        collector.close()


def test_nothing_is_granted(server: Lab) -> None:
    with role(server, "SELECT ON alembic_version") as login, pytest.raises(NotGranted) as caught:
        probe(lambda: login)
    assert "docs/capture-airflow.md" in caught.value.hint


def test_a_wrong_password_is_not_said_and_the_source_is_asked_again(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("mariadb")  # the test PostgreSQL trusts everybody
    with role(lab, *on(*ALL)) as login:
        wrong = parse(login.url.set(password="hush-hush").render_as_string(hide_password=False))
        with pytest.raises(LoginRefused, match="Access denied") as caught:
            probe(lambda: wrong)
        assert "hush-hush" not in str(caught.value)
        given = [wrong, login]
        collector = AirflowCollector(deck.tape, lambda: given.pop(0))
        assert not collector.poll_once()
        assert collector.poll_once()
        collector.close()
    assert "hush-hush" not in str(polls(deck))


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_or_a_user_that_is_not_there(make_lab: MakeLab, kind: str) -> None:
    login = make_lab(kind).login()
    for url in (login.url.set(database="afscope_test_nowhere"), login.url.set(username="afscope_nobody", password="x")):
        with pytest.raises(LoginRefused, match="check user, password and database"):
            probe(partial(parse, url.render_as_string(hide_password=False)))


def test_a_source_that_fails_is_a_failed_poll(deck: Deck) -> None:
    def source() -> Login:
        raise CannotConnect("the command in X failed with exit code 1")

    assert not AirflowCollector(deck.tape, source).poll_once()
    assert polls(deck) == [("failed", "the command in X failed with exit code 1")]


# What is never done


def test_nothing_can_be_written_and_nothing_is_locked(deck: Deck, server: Lab) -> None:
    watch = Watch(deck, server)
    seen: list[str] = []

    def note(_connection: object, _cursor: object, words: str, *_more: object) -> None:
        seen.append(words.lstrip().upper())

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        assert watch.poll()
        assert watch.poll()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    session = watch.collector._session
    assert session is not None
    connection = session._connection
    assert connection is not None
    sets = [words for words in seen if words.startswith("SET ")]
    assert len(sets) == (0 if server.kind == "postgresql" else 2)
    assert not [words for words in seen if "FOR UPDATE" in words]
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.only transaction"):
        connection.exec_driver_sql("UPDATE slot_pool SET slots = 0")
    watch.collector.close()


def test_a_poll_of_postgresql_cannot_write(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("postgresql")
    lab.execute("CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS 'BEGIN DELETE FROM slot_pool; RETURN 1; END'")
    lab.execute("ALTER TABLE log RENAME TO real_log")
    lab.insert("slot_pool", {"pool": "p", "slots": 1})
    lab.execute("CREATE VIEW log AS SELECT id, dttm, event, evil() AS owner FROM real_log")
    lab.execute("INSERT INTO real_log (id, dttm, event) VALUES (1, now(), 'x')")
    watch = Watch(deck, lab)
    assert not watch.poll()
    watch.collector.close()
    assert "read-only transaction" in str(polls(deck)[0][1])
    assert len(lab.rows("SELECT * FROM slot_pool")) == 1


# Budget and crowds


def test_polls_that_cost_too_much_become_rarer_and_that_is_declared(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("sqlite")
    watch = Watch(deck, lab, max_ms_per_s=0.0001)
    for _ in range(4):
        assert watch.poll(60)
    watch.collector.close()
    assert watch.collector.wait_s > 3
    reason = gaps(deck)["task_instances"][2]
    assert reason.startswith("slowed down by the DB budget: at 0.0001 ms/s polls come every ")
    assert deck.sources["task_instances"][0] == "partial"
    assert {row["metric"] for row in deck.rows("samples")} == {"db_ms_per_s", "db_poll_wait_s"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_too_many_open_rows_are_only_counted(deck: Deck, make_lab: MakeLab, kind: str) -> None:
    lab = make_lab(kind)
    lab.run()
    keys = [lab.task(f"t{n}", "queued" if n % 2 else "scheduled") for n in range(10)]
    lab.task("idle", None)
    watch = Watch(deck, lab, max_open_rows=8)
    assert watch.poll()
    assert watch.poll()
    counted = {row["state"]: row["n"] for row in deck.rows("task_counts")}
    assert counted == {"queued": 5, "scheduled": 5, None: 1}
    assert [(row["task_id"], row["state"]) for row in deck.rows("task_instances")] == [("idle", None)]
    for key in keys[:4]:
        lab.move(key, "success")
    assert watch.poll()
    assert watch.poll()
    watch.collector.close()
    assert gaps(deck)["task_instances"] == (5.0, 15.0, "more than 8 task instances open: only counted")
    recorded = {row["task_id"]: row["state"] for row in deck.rows("task_instances")}
    assert recorded == {"idle": None, **{f"t{n}": "queued" if n % 2 else "scheduled" for n in range(4, 10)}}


def test_who_moves_over_to_those_that_are_only_counted_is_not_deleted(deck: Deck, make_lab: MakeLab) -> None:
    lab = make_lab("sqlite")
    lab.run()
    for n in range(10):
        lab.task(f"idle{n}", None)
    key = lab.task("a", "queued")
    watch = Watch(deck, lab, max_open_rows=8)
    assert watch.poll()
    lab.move(key, None)
    assert watch.poll(2)
    assert watch.poll()
    assert watch.states("a") == [("STATE", "queued")]
    counted = {row["state"]: row["n"] for row in deck.rows("task_counts")}
    assert counted == {"queued": 0, None: 11}
    lab.move(key, "running")
    assert watch.poll(2)
    watch.collector.close()
    assert watch.states("a") == [("STATE", "queued"), ("MODIFIED", "running")]


# The server's clock


def test_the_server_s_clock_is_compared_with_a_real_one(server: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    deck = Deck(tmp_path_factory.mktemp("real") / "c.afscope", SystemPace())  # type: ignore[arg-type]
    collector = AirflowCollector(deck.tape, server.login)
    assert collector.poll_once()
    collector.close()
    offset = deck.writer.manifest.clock_offsets["airflow_db"]
    assert abs(offset.offset_us) < 60 * SECOND
    assert 0 < offset.uncertainty_us < 60 * SECOND
    deck.writer.close()


def test_a_replay_s_clock_is_not_compared(watch: Watch) -> None:
    assert watch.poll()
    assert watch.deck.writer.manifest.clock_offsets == {}


def test_a_database_in_another_zone_gives_the_same_times(deck: Deck, server: Lab) -> None:
    name = server.login().url.database
    if server.kind == "postgresql":
        server.execute(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata'")
    server.run(queued_at=START)
    server.task("a", "queued", queued_dttm=START)
    watch = Watch(deck, server)
    assert watch.poll()
    watch.collector.close()
    assert deck.rows("task_instances")[0]["queued_dttm"].timestamp() * SECOND == START
