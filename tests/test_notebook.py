"""A capture in a notebook: light to import, lazy to open, three ways to get rows."""

from pathlib import Path

import pytest

import afscope
from afscope.cli.samples import samples
from afscope.errors import NotACapture, QueryError
from tests.house.test_imports import loaded

SAMPLE = Path(str(samples()[0].file))


def test_a_table_comes_as_arrow_pandas_and_relation() -> None:
    with afscope.open(SAMPLE) as capture:
        pods = capture.table("pods")
        arrow, frame = pods.arrow(), pods.pandas()
        assert len(pods) == arrow.num_rows == len(frame) > 0
        assert list(frame.columns) == arrow.column_names
        assert str(frame["seen_at"].dtype).startswith("datetime64")
        names = pods.relation().filter("namespace = 'airflow'").project("name").distinct().fetchall()
        assert {name for (name,) in names} == set(frame.loc[frame["namespace"] == "airflow", "name"])


def test_facts_and_the_verdict_are_at_hand() -> None:
    with afscope.open(SAMPLE) as capture:
        waits = capture.table("waits").pandas()
        assert waits["seconds"].sum() == pytest.approx(sum(s.seconds for w in capture.waits() for s in w.stages))
        assert capture.analysis.verdict.root_causes
        assert capture.sql("SELECT count(*) AS n FROM decisions;").pandas()["n"][0] == len(capture.table("decisions"))


def test_a_table_without_rows_is_empty_and_an_unknown_one_is_refused() -> None:
    with afscope.open(SAMPLE) as capture:
        assert len(capture.table("gaps")) == 0
        assert "leases" in capture.tables
        with pytest.raises(QueryError, match="no table 'nope'"):
            capture.table("nope")
    with pytest.raises(NotACapture):
        afscope.open(SAMPLE.parent)


def test_text_in_a_notebook_stays_text() -> None:
    with afscope.open(SAMPLE) as capture:
        shown = capture.sql("SELECT '<script>alert(1)</script>' AS \"<b>\"")._repr_html_()
    assert "<script" not in shown
    assert "&lt;script" in shown


def test_tables_of_the_capture_cost_no_analysis() -> None:
    program = f"import afscope\nc = afscope.open({str(SAMPLE)!r})\nprint(c.tables[0])"
    assert loaded(program) & {"pandas", "textual", "sqlalchemy", "kubernetes"} == set()
    assert loaded("import afscope\nafscope.open") & {"duckdb", "pyarrow", "pandas", "msgspec"} == set()
