"""JSON, CSV, escapes, and the SQL shell's small grammar."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import pytest

from afscope.cli.output import plain, to_csv, to_json, to_jsonl
from afscope.cli.query import formatted, shell, unique
from afscope.errors import QueryError


class Rows(NamedTuple):
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@pytest.mark.parametrize(
    ("value", "json_value"),
    [
        (datetime(2026, 3, 1, 10), "2026-03-01T10:00:00.000000Z"),
        (datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=8))), "2026-03-01T02:00:00.000000Z"),
        (datetime(2026, 3, 1, 10, 0, 0, 5, tzinfo=UTC), "2026-03-01T10:00:00.000005Z"),
        (date(2026, 3, 1), "2026-03-01"),
        (timedelta(seconds=1.5), 1.5),
        (Decimal("2.5"), 2.5),
        (math.nan, None),
        (math.inf, None),
        (b"\x00\xff", "00ff"),
        ({"a": (1, None)}, {"a": [1, None]}),
        ("控制\x9b\ud800\u202e", "控制\x9b\ud800\u202e"),
    ],
)
def test_values_of_the_engine_become_json(value: object, json_value: object) -> None:
    assert json.loads(to_json(value)) == json_value


def test_json_keeps_chinese_readable_and_terminals_safe() -> None:
    text = to_json("池\x1b[2J\x9b")
    assert text == '"池\\u001b[2J\\u009b"'


def test_csv_reads_back() -> None:
    text = to_csv(["a", "b"], [['say "hi", you', None], [1.5, {"k": 1}], ["\x1b[2J", True]])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"], ['say "hi", you', ""], ["1.5", '{"k": 1}'], [r"\x1b[2J", "True"],
    ]  # fmt: skip


def test_plain_is_one_line() -> None:
    assert plain("a\nb\tc\x7f\u2028") == r"a\nb\tc\x7f\u2028"


def test_a_result_in_every_format() -> None:
    result = Rows(["n", "n"], [[1, None], [2, "x\x1b"]])
    assert json.loads(formatted(result, "json")) == [{"n": 1, "n_2": None}, {"n": 2, "n_2": "x\x1b"}]
    assert [json.loads(line) for line in formatted(result, "jsonl").splitlines()] == json.loads(
        formatted(result, "json")
    )
    assert formatted(result, "csv") == "n,n\n1,\n2,x\\x1b\n"
    table = formatted(result, "table")
    assert "NULL" in table
    assert r"x\x1b" in table
    assert table.endswith("2 row(s)\n")
    assert to_jsonl([]) == ""


def test_repeated_names_never_collide() -> None:
    assert unique(["a", "a", "a_2", "a"]) == ["a", "a_2", "a_2_2", "a_3"]


def test_the_shell_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines: Iterator[str] = iter([r"\d", "SELECT", "  1;", "nonsense;", r'\d od"d', r"\?", "", r"\q", "never;"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    asked: list[str] = []

    def answer(sql: str) -> Rows:
        asked.append(sql)
        if sql == "nonsense;":
            raise QueryError("syntax error at nonsense")
        return Rows(["x"], [[1]])

    shell(answer, "csv")
    assert asked[1:] == ["SELECT\n  1;", "nonsense;", 'DESCRIBE "od""d"']
    captured = capsys.readouterr()
    assert captured.out == "x\n1\n" * 3
    assert "afscope: syntax error at nonsense" in captured.err
    assert next(lines) == "never;"
