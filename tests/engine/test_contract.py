"""The contract of analyzer files: ours keep it, and each way to break it is told."""

from pathlib import Path

import pytest

from afscope.engine.catalog import Catalog
from afscope.engine.contract import problems
from afscope.errors import AnalyzerError

HEADER = """-- ---
-- id = "mine"
-- stage = "limits"
-- component = "pool"
-- needs = ["pools"]
-- [text.en]
-- title = "Mine"
-- ---
"""
SELECT = """SELECT ts AS started_at, ts AS ended_at, '' AS target, pool AS subject, {'pool': pool} AS params,
    0.5 AS confidence, [{'table': 'pools', 'ts': ts, 'key': pool, 'text': ''}] AS evidence FROM pools"""


def mine(folder: Path, text: str) -> list[str]:
    (folder / "mine.sql").write_text(text, encoding="utf-8")
    return problems(Catalog.load([folder]))


def test_the_shipped_analyzers_keep_it() -> None:
    assert problems(Catalog.load()) == []


def test_one_of_ones_own_keeps_it(tmp_path: Path) -> None:
    assert mine(tmp_path, HEADER + SELECT) == []


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("COPY pools TO 'x.csv'", "COPY"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELEC 1", "Parser Error"),
        (SELECT + " WHERE slots > $most", "$most"),
        (SELECT + " WHERE ts > now()", "now"),
        (SELECT + " WHERE pool IN (SELECT name FROM pods)", "pods"),
        (SELECT + " WHERE pool IN (SELECT name FROM nowhere)", "nowhere"),
        ("SELECT ts AS started_at FROM pools", "lacks column ended_at"),
        (SELECT.replace("FROM pools", "FROM (SELECT TIMESTAMP '2026-01-01' AS ts, 'p' AS pool)"), "empty tables"),
    ],
)
def test_each_breach_is_told(tmp_path: Path, sql: str, word: str) -> None:
    found = mine(tmp_path, HEADER + sql)
    assert any(word in problem and "mine.sql" in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("SELECT 1", "no header"),
        (HEADER.replace('"mine"', '"other"') + SELECT, "file's name"),
        (HEADER.replace('"pool"', '"moon"') + SELECT, "moon"),
        (HEADER.replace('"limits"', '"nowhere"') + SELECT, "nowhere"),
        (HEADER.replace("needs =", "wants =") + SELECT, "wants"),
        (HEADER.replace("-- id", "id") + SELECT, "start with"),
    ],
)
def test_a_broken_header_is_refused_with_its_reason(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "mine.sql").write_text(text, encoding="utf-8")
    with pytest.raises(AnalyzerError, match=word):
        Catalog.load([tmp_path])


def test_two_files_with_one_id_are_an_error_unless_the_later_replaces(tmp_path: Path) -> None:
    text = HEADER.replace("mine", "pool_exhausted")
    file = tmp_path / "pool_exhausted.sql"
    file.write_text(text + SELECT, encoding="utf-8")
    with pytest.raises(AnalyzerError, match="already taken"):
        Catalog.load([tmp_path])
    file.write_text(text.replace("-- stage", '-- replaces = "pool_exhausted"\n-- stage') + SELECT, encoding="utf-8")
    assert Catalog.load([tmp_path]).get("pool_exhausted").path == file
