"""PostgreSQL straight and behind a pooler: what is set and prepared, and that none of it is left to others."""

import socket
import struct
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.login import Login
from afscope.capture.airflow.options import PollOptions
from afscope.model.clock import SECOND
from tests.capture.airflow.conftest import MakeLab
from tests.capture.airflow.lab import Lab
from tests.capture.airflow.line import Line, line_to
from tests.capture.airflow.test_trouble import polls
from tests.capture.conftest import Deck

_REFUSAL = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


class Refusing(Line):
    """As PgBouncer does it: keys for cancelling are its own, and `options` are refused."""

    def passed(self, data: bytes, source: socket.socket) -> bytes:
        if data[4:8] == b"\0\3\0\0" and b"\0options\0" in data:
            source.sendall(b"E" + struct.pack(">I", 4 + len(_REFUSAL)) + _REFUSAL)
            return b""
        return _own_key(data)


class Ignoring(Line):
    """As PgBouncer does it with ignore_startup_parameters = options."""

    def passed(self, data: bytes, source: socket.socket) -> bytes:
        if data[4:8] == b"\0\3\0\0" and b"\0options\0" in data:
            words = data[8:].split(b"\0")
            at = words.index(b"options")
            kept = b"\0".join(words[:at] + words[at + 2 :])
            return struct.pack(">I", 8 + len(kept)) + data[4:8] + kept
        return _own_key(data)


class Passing(Line):
    """A pooler that hands `options` on to the server: only its keys tell that it is one."""

    def passed(self, data: bytes, source: socket.socket) -> bytes:
        return _own_key(data)


def _own_key(data: bytes) -> bytes:
    at = data.find(b"K\0\0\0\x0c")
    return data if at < 0 else data[: at + 5] + b"\x7f\xff\xff\xfe" + data[at + 9 :]


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab("postgresql")


@pytest.fixture(params=[Refusing, Ignoring, Passing])
def pooled(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Login]:
    with line_to(lab, request.param) as (_, login):
        yield Login(login.url.update_query_dict({"sslmode": "disable"}))


def server_says(collector: AirflowCollector, words: str) -> Any:
    """What the server says on the collector's connection, without what the collector sends along."""
    assert collector._session is not None
    assert collector._session._connection is not None
    driver: Any = collector._session._connection.connection.dbapi_connection
    row = psycopg.Cursor(driver).execute(words, prepare=False).fetchone()
    return row and row[0]


def test_behind_a_pooler_nothing_is_left_on_the_session(deck: Deck, lab: Lab, pooled: Login) -> None:
    """The next transaction on this server connection is Airflow's own."""
    lab.run()
    key = lab.task("a", "running")
    collector = AirflowCollector(deck.tape, lambda: pooled)
    for state in ("running", "queued", "running", "success"):
        lab.move(key, state)
        deck.pace.step(6)
        assert collector.poll_once()
    assert [row["state"] for row in deck.rows("task_instances")] == ["running", "queued", "running", "success"]
    assert server_says(collector, "SELECT count(*) FROM pg_prepared_statements") == 0
    for setting, value in (("default_transaction_read_only", "off"), ("statement_timeout", "0"), ("lock_timeout", "0")):
        assert server_says(collector, f"SHOW {setting}") == value
    assert server_says(collector, "SELECT pg_current_xact_id_if_assigned() IS NULL")
    collector.close()


def test_behind_a_pooler_statements_end_in_time_and_cannot_write(deck: Deck, lab: Lab, pooled: Login) -> None:
    lab.execute("CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS 'BEGIN DELETE FROM slot_pool; RETURN 1; END'")
    lab.execute("ALTER TABLE log RENAME TO real_log")
    lab.execute("CREATE VIEW log AS SELECT id, dttm, event, evil() AS owner FROM real_log")
    lab.execute("INSERT INTO real_log (id, dttm, event) VALUES (1, now(), 'x')")
    lab.insert("slot_pool", {"pool": "p", "slots": 1})
    collector = AirflowCollector(deck.tape, lambda: pooled, PollOptions(statement_s=0.2))
    assert not collector.poll_once()
    lab.execute("CREATE OR REPLACE VIEW log AS SELECT id, dttm, event, pg_sleep(3)::text AS owner FROM real_log")
    deck.pace.step(6)
    assert not collector.poll_once()
    collector.close()
    assert ["read-only transaction" in str(polls(deck)[0][1]), "statement timeout" in str(polls(deck)[1][1])] == [
        True
    ] * 2
    assert len(lab.rows("SELECT * FROM slot_pool")) == 1


def test_straight_the_connection_has_its_settings_and_plans(deck: Deck, lab: Lab) -> None:
    collector = AirflowCollector(deck.tape, lab.login)
    for _ in range(3):
        deck.pace.step(6)
        assert collector.poll_once()
    assert server_says(collector, "SELECT count(*) FROM pg_prepared_statements") > 5
    assert server_says(collector, "SHOW statement_timeout") == "2s"
    assert server_says(collector, "SHOW lock_timeout") == "100ms"
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        server_says(collector, "UPDATE slot_pool SET slots = 0")
    collector.close()


def test_options_of_the_url_are_kept(deck: Deck, lab: Lab) -> None:
    login = Login(lab.login().url.update_query_dict({"options": "-c geqo_threshold=7"}))
    collector = AirflowCollector(deck.tape, lambda: login)
    assert collector.poll_once()
    assert [server_says(collector, f"SHOW {name}") for name in ("geqo_threshold", "lock_timeout")] == ["7", "100ms"]
    collector.close()


def test_a_column_of_another_type_than_when_it_was_prepared(deck: Deck, lab: Lab) -> None:
    lab.insert("slot_pool", {"pool": "p", "slots": 1})
    collector = AirflowCollector(deck.tape, lab.login)
    for _ in range(3):
        deck.pace.step(6)
        assert collector.poll_once()
    lab.execute("ALTER TABLE slot_pool ALTER COLUMN slots TYPE bigint")
    lab.execute("UPDATE slot_pool SET slots = 2")
    outcomes = []
    for _ in range(2):
        deck.pace.step(6)
        outcomes.append(collector.poll_once())
    collector.close()
    assert outcomes == [False, True]
    assert [row["slots"] for row in deck.rows("pools")] == [1, 2]
    (gap,) = [row for row in deck.rows("gaps") if row["source"] == "pools"]
    assert (gap["to_ts"] - gap["from_ts"]).total_seconds() * SECOND == 12 * SECOND
