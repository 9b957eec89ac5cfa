"""`afscope fleet analyze` from outside."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def folder(shipped: dict[str, Path], tmp_path: Path) -> Path:
    for name in ("max-replicas-ceiling", "healthy"):
        shutil.copy(shipped[name], tmp_path / f"{name}.afscope.zip")
    (tmp_path / "notes.txt").write_text("no capture")
    return tmp_path


def test_a_folder_a_pattern_and_a_path_name_the_same_captures_once(folder: Path, run: Run) -> None:
    told = run("fleet", "analyze", folder, folder / "*.zip", folder / "healthy.afscope.zip", "-j", "1", "-o", "json")
    assert told.code == 0
    document = json.loads(told.out)
    assert [Path(item["capture"]).name for item in document["captures"]] == [
        "healthy.afscope.zip",
        "max-replicas-ceiling.afscope.zip",
    ]
    assert [item["verdict"]["healthy"] for item in document["captures"]] == [True, False]
    assert [cause["cause"] for cause in document["causes"]] == ["max_replicas_ceiling"]


def test_table_jsonl_and_csv_say_the_same(folder: Path, run: Run) -> None:
    broken = folder / "broken.afscope"
    broken.mkdir()
    places = ("fleet", "analyze", folder, "-j", "1")
    table = run(*places)
    assert table.code == 0
    assert "3 captures: 1 healthy, 1 not healthy, 1 not analyzed" in table.out
    assert "not analyzed" in table.err
    assert str(broken) in table.err
    lines = [json.loads(line) for line in run(*places, "-o", "jsonl").out.splitlines()]
    assert sorted(bool(line["error"]) for line in lines) == [False, False, True]
    rows = list(csv.DictReader(io.StringIO(run(*places, "-o", "csv").out)))
    assert [row["cause"] for row in rows] == ["", "", "max_replicas_ceiling"]
    assert [bool(row["error"]) for row in rows] == [True, False, False]


def test_it_gates_like_analyze(folder: Path, run: Run) -> None:
    tripped = run("fleet", "analyze", folder, "-j", "1", "--fail-on", "high")
    assert tripped.code == 1
    assert "1 of 2 captures" in tripped.err
    assert run("fleet", "analyze", folder / "healthy*", "-j", "1", "--fail-on", "high").code == 0


def test_it_speaks_chinese(folder: Path, run: Run) -> None:
    assert "2 份采集" in run("fleet", "analyze", folder, "-j", "1", "--lang", "zh").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none*.zip"], "nothing is named like that"),
        (["none.afscope"], "none of the captures"),
        (["."], "a folder without captures"),
        (["http://127.0.0.1:1/a.afscope.zip"], "none of the captures"),
        (["a", "--scheduler", "tcp://127.0.0.1:1", "-j", "2"], "give one of them"),
        (["a", "-o", "xml"], "table, json, jsonl, csv"),
    ],
)
def test_a_refusal_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    told = run("fleet", "analyze", *arguments)
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err


def test_the_workers_of_a_dask_scheduler_do_it(folder: Path, run: Run) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed comes with the fleet extra")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        told = run("fleet", "analyze", folder, "--scheduler", cluster.scheduler_address, "-o", "json")
    assert told.code == 0
    assert [item["error"] for item in json.loads(told.out)["captures"]] == [None, None]


def test_no_scheduler_is_an_error_that_names_it(folder: Path, run: Run) -> None:
    pytest.importorskip("distributed", reason="distributed comes with the fleet extra")
    told = run("fleet", "analyze", folder, "--scheduler", "tcp://127.0.0.1:1")
    assert told.code == 2
    assert "tcp://127.0.0.1:1" in told.err
