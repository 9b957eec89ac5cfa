"""The grants of the documentation are enough for everything, and for nothing else."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from afscope.capture.airflow.collector import AirflowCollector
from afscope.capture.airflow.login import parse
from tests.capture.airflow.conftest import MakeLab
from tests.capture.airflow.lab import Lab
from tests.capture.conftest import Deck

PAGE = Path(__file__).parents[3] / "docs" / "capture-airflow.md"
FILLED = ("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log", "celery_results")


def documented(lab: Lab, role: str) -> Iterator[str]:
    """The page's statements for this kind of database, for another role, database and password."""
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    database = make_url(lab.url).database or ""
    (block,) = (block for block in blocks if ("CREATE ROLE" in block) == (lab.kind == "postgresql"))
    for statement in re.sub(r"--.*", "", block).split(";"):
        if statement.strip():
            yield (
                statement.replace("afscope", role)
                .replace("DATABASE airflow", f"DATABASE {database}")
                .replace("airflow.", f"{database}.")
                .replace("…", role)
            )


@pytest.fixture(params=["postgresql", "mariadb"])
def served(request: pytest.FixtureRequest, make_lab: MakeLab) -> Lab:
    return make_lab(request.param)


@pytest.fixture
def granted(served: Lab) -> Iterator[str]:
    """The URL of a role that was made by the page."""
    role = f"afscope_{secrets.token_hex(4)}"
    for statement in documented(served, role):
        served.execute(statement)
    yield make_url(served.url).set(username=role, password=role).render_as_string(hide_password=False)
    if served.kind == "postgresql":
        served.execute(f"DROP OWNED BY {role}")
    served.execute(f"DROP {'ROLE' if served.kind == 'postgresql' else 'USER'} {role}")


def test_everything_is_recorded(served: Lab, granted: str, deck: Deck) -> None:
    served.run()
    key = served.task("a", "running")
    collector = AirflowCollector(deck.tape, lambda: parse(granted))
    assert collector.poll_once()
    served.move(key, "queued", try_number=3)  # an attempt ended unseen: the history is asked
    deck.pace.step(5)
    assert collector.poll_once()
    collector.close()
    assert {table: deck.sources[table] for table in FILLED} == dict.fromkeys(FILLED, ("ok", ""))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE task_instance SET state = 'success'",
        "DELETE FROM log",
        "SELECT count(*) FROM connection",
    ],
)
def test_nothing_else_is_allowed(served: Lab, granted: str, statement: str) -> None:
    served.execute("CREATE TABLE connection (password varchar(100))")
    engine = create_engine(make_url(granted).set(drivername=make_url(served.url).drivername), poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"(?i)denied|read-only"):
        connection.execute(text(statement))
