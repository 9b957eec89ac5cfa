"""URLs as Airflow writes them, where they come from, and that no password is ever said."""

import sys
from pathlib import Path

import pytest

from afscope.capture.airflow.environment import login_of
from afscope.capture.airflow.login import parse, replace_address
from afscope.errors import CannotConnect

NEW, OLD = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"
SECRET = "p@ss/w:rd"
QUOTED = "p%40ss%2Fw%3Ard"


@pytest.mark.parametrize(
    ("given", "driver", "where"),
    [
        ("postgresql+psycopg2://u:x@db:5432/airflow", "postgresql+psycopg", "postgresql airflow at db:5432"),
        ("postgres://u@db/airflow", "postgresql+psycopg", "postgresql airflow at db"),
        ("postgresql+asyncpg://u@db/airflow", "postgresql+psycopg", "postgresql airflow at db"),
        ("postgresql:///airflow?host=/var/run/pg", "postgresql+psycopg", "postgresql airflow at /var/run/pg"),
        ("mysql+mysqldb://u@db:3306/airflow", "mysql+pymysql", "mysql airflow at db:3306"),
        ("mysql+mysqlconnector://u@db/airflow", "mysql+pymysql", "mysql airflow at db"),
        ("mysql://u@db", "mysql+pymysql", "mysql (default database) at db"),
        ("mariadb+pymysql://u@/airflow?unix_socket=/run/m.sock", "mysql+pymysql", "mysql airflow at /run/m.sock"),
        ("sqlite:////opt/airflow/airflow.db", "sqlite", "sqlite /opt/airflow/airflow.db"),
    ],
)
def test_any_driver_of_airflow_is_one_of_ours(given: str, driver: str, where: str) -> None:
    login = parse(f"  {given}\n")
    assert login.url.drivername == driver
    assert login.where == where
    assert login.notes == ()


def test_parameters_that_the_driver_knows_stay_and_the_others_are_told_by_name() -> None:
    login = parse(
        "postgresql+psycopg2://u@db/a?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=7"
        "&options=-csearch_path%3Dair&application_name=airflow&executemany_mode=values&token=hush"
    )
    assert dict(login.url.query) == {
        "sslmode": "verify-full", "sslrootcert": "/ca.pem", "connect_timeout": "7", "options": "-csearch_path=air",
    }  # fmt: skip
    assert login.notes == tuple(
        f"parameter {name!r} of the Airflow DB's URL is not used"
        for name in ("application_name", "executemany_mode", "token")
    )
    assert parse("postgresql+asyncpg://u@db/a?ssl=require").url.query["sslmode"] == "require"


def test_parameters_of_mysql() -> None:
    login = parse("mysql+mysqldb://u@db/a?charset=utf8mb4&ssl_ca=/ca.pem&local_infile=1&init_command=SET+x%3D1")
    assert dict(login.url.query) == {"charset": "utf8mb4", "ssl_ca": "/ca.pem"}
    assert [note.split("'")[1] for note in login.notes] == ["init_command", "local_infile"]
    assert parse("mysql://u@db/a?ssl_mode=REQUIRED").connect_args["ssl"]["verify_mode"] == "none"
    strict = parse("mysql://u@db/a?ssl_mode=VERIFY_IDENTITY&ssl_ca=/ca.pem")
    assert strict.connect_args["ssl"] == {"verify_mode": "required", "check_hostname": True, "ca": "/ca.pem"}
    assert parse("mysql+mysqlconnector://u@db/a?ssl_disabled=true").connect_args == {"ssl_disabled": True}
    with pytest.raises(CannotConnect, match="ssl_mode 'ODD'"):
        parse("mysql://u@db/a?ssl_mode=odd".replace("odd", "ODD"))


@pytest.mark.parametrize(
    "text", ["", "db", f"u:{SECRET}@db", f"mssql+pyodbc://u:{QUOTED}@db/a", "postgresql://u:x@db:port/a", "sqlite://"]
)
def test_what_is_no_url_of_a_known_database_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(CannotConnect) as caught:
        parse(text)
    assert QUOTED not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_neither_repr_nor_where_say_the_password() -> None:
    login = parse(f"postgresql://u:{QUOTED}@db/a?password=other")
    assert set(login.secrets) == {SECRET, QUOTED, "other"}
    for text in (repr(login), login.where, str(login.notes)):
        assert not any(secret in text for secret in login.secrets)


def test_a_tunnel_replaces_the_address() -> None:
    login = replace_address(parse("postgresql://u:x@pg.air.svc:5432/a?sslmode=require"), "127.0.0.1", 40001)
    assert (login.url.host, login.url.port, login.url.password) == ("127.0.0.1", 40001, "x")
    login = replace_address(parse("postgresql://u@/a?host=/var/run/pg"), "127.0.0.1", 40001)
    assert (login.url.host, dict(login.url.query)) == ("127.0.0.1", {})
    login = replace_address(parse("mysql://u@db/a"), "127.0.0.1", 40001)
    assert login.where == "mysql a at 127.0.0.1:40001"


def test_a_certificate_is_still_checked_against_the_name_of_the_server() -> None:
    login = replace_address(parse("postgresql://u@pg.air.svc/a?sslmode=verify-full"), "127.0.0.1", 40001)
    assert (login.url.host, login.url.query["hostaddr"], login.url.port) == ("pg.air.svc", "127.0.0.1", 40001)


# Where it comes from


def test_nothing_is_said() -> None:
    assert login_of({}) is None


def test_the_section_of_today_comes_first() -> None:
    env = {NEW: "postgresql://u@new/a", OLD: "postgresql://u@old/a", f"{NEW}_CMD": "false"}
    found = login_of(env)
    assert found is not None
    assert found.url.host == "new"
    found = login_of({OLD: "postgresql://u@old/a", "AIRFLOW__CORE__SQL_ALCHEMY_SCHEMA": "air"})
    assert found is not None
    assert (found.url.host, found.schema) == ("old", "air")


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "say url.py"
    script.write_text("import sys; print('  postgresql://u:x@' + sys.argv[1] + '/a  ')", encoding="utf-8")
    found = login_of({f"{NEW}_CMD": f"{sys.executable} '{script}' db;id"})
    assert found is not None
    assert found.url.host == "db;id"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (f"{sys.executable} -c \"import sys; print('{SECRET}'); print('{SECRET}', file=sys.stderr); sys.exit(3)\"", "failed with exit code 3"),
        ("/no/such/program", "cannot be run"),
        ("echo 'unbalanced", "cannot be run: cannot be split into words"),
        (f"echo {SECRET}", "cannot be read"),
    ],
)  # fmt: skip
def test_a_command_that_fails_says_nothing_of_its_output(command: str, why: str) -> None:
    with pytest.raises(CannotConnect, match=why) as caught:
        login_of({f"{OLD}_CMD": command})
    assert SECRET not in str(caught.value)


def test_a_command_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afscope.capture.given._CMD_S", 0.2)
    with pytest.raises(CannotConnect, match="did not end within"):
        login_of({f"{NEW}_CMD": "sleep 60"})


def test_a_secrets_backend_cannot_be_read() -> None:
    with pytest.raises(CannotConnect, match="secrets backend") as caught:
        login_of({f"{NEW}_SECRET": "sql_alchemy_conn"})
    assert "--db-url-file" in caught.value.hint


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("mysql://u@db/a\n", encoding="utf-8")
    found = login_of({NEW: "postgresql://u@new/a"}, path)
    assert found is not None
    assert found.where == "mysql a at db"
    with pytest.raises(CannotConnect, match="No such file"):
        login_of({}, tmp_path / "none")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CannotConnect, match="is no text"):
        login_of({}, path)
