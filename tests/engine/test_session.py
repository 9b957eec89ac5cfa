"""The DuckDB session is locked: nothing but the capture can be read, nothing can be written."""

from pathlib import Path

import pytest

from afscope.engine.investigation import Investigation
from afscope.engine.session import Session
from afscope.errors import QueryError
from tests.engine.incident import Incident


@pytest.fixture
def case(tmp_path: Path) -> Investigation:
    return Incident().open(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/never.csv'",
        "ATTACH '/tmp/never.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SELECT * FROM glob('/etc/*')",
    ],
)
def test_what_leads_out_of_the_capture_is_refused(case: Investigation, sql: str) -> None:
    with pytest.raises(QueryError):
        case.sql(sql)


def test_the_capture_itself_can_be_asked(case: Investigation) -> None:
    result = case.sql("SELECT pool, slots FROM pools")
    assert result.columns == ("pool", "slots")
    assert result.rows == [("default_pool", 128)]


def test_every_table_of_the_schema_exists(case: Investigation) -> None:
    from afscope.store.schema import TABLES

    for table in TABLES:
        case.sql(f'SELECT count(*) FROM "{table}"')


def test_a_wrong_query_is_answered_with_duckdbs_words(case: Investigation) -> None:
    with pytest.raises(QueryError, match="nowhere"):
        case.sql("SELECT * FROM nowhere")


@pytest.mark.parametrize("count", [0, 1, 250_000])
def test_numbers_go_in_whole_and_in_their_order(count: int) -> None:
    session = Session(None)
    session.fill_numbers("numbers", ("n", "us"), ((n, -n << 40) for n in range(count)))
    wrong = session.run(
        "SELECT count(*) FILTER (WHERE n <> rowid OR us <> -n * (1::BIGINT << 40)), count(*) FROM numbers"
    )
    assert wrong.rows == [(0, count)]
