"""report, diff, merge, redact, schema on the command line."""

import json
from pathlib import Path

import pytest

from afscope.cli.schemas import names
from tests.cli.conftest import Run


def test_report_writes_what_the_ending_says(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    page, ticket = tmp_path / "r.html", tmp_path / "r.md"
    done = run("report", shipped["metrics-apiserver-hung"], "-o", page)
    assert (done.code, done.out) == (0, f"{page}\n")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "What if" in text
    assert "faults = none" in text, "a hung metrics apiserver asks what would have been without it"
    assert run("report", shipped["metrics-apiserver-hung"], "-o", ticket, "--no-what-if", "--lang", "zh").code == 0
    assert ticket.read_text(encoding="utf-8").startswith("# 不健康")


@pytest.mark.parametrize("name", ["r.pdf", "r", "nowhere/r.html"])
def test_report_refuses_what_it_cannot_write(shipped: dict[str, Path], tmp_path: Path, run: Run, name: str) -> None:
    done = run("report", shipped["healthy"], "-o", tmp_path / name)
    assert done.code == 2
    assert str(tmp_path / name) in done.err


def test_report_never_overwrites_unasked(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    page = tmp_path / "r.md"
    page.write_text("mine")
    assert run("report", shipped["healthy"], "-o", page).code == 2
    assert page.read_text() == "mine"
    assert run("report", shipped["healthy"], "-o", page, "--force", "--no-what-if").code == 0
    assert page.read_text(encoding="utf-8").startswith("# Healthy")


def test_report_takes_settings_of_a_what_if(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    page = tmp_path / "r.md"
    assert run("report", shipped["healthy"], "-o", page, "--set", "maxReplicaCount=1").code == 0
    assert "maxReplicaCount = 1" in page.read_text(encoding="utf-8")


def test_diff_of_two_captures_and_of_two_ranges(shipped: dict[str, Path], run: Run) -> None:
    both = run("diff", shipped["metrics-apiserver-hung"], shipped["healthy"], "-o", "json")
    assert both.code == 0
    changes = {item["cause"]: item["change"] for item in json.loads(both.out)["causes"]}
    assert changes["external_metric_timeout"] == "gone"
    start, middle = "2026-11-22T20:10:00Z", "2026-11-22T20:11:00Z"
    ranges = run(
        "diff", shipped["metrics-apiserver-hung"], "--a", f"{start}/{middle}", "--b", f"{middle}/", "-o", "json"
    )
    assert ranges.code == 0
    told = json.loads(ranges.out)
    assert told["a"]["to"] == told["b"]["from"] == "2026-11-22T20:11:00.000000Z"
    assert "B - A" in run("diff", shipped["healthy"], shipped["healthy"]).out


@pytest.mark.parametrize("options", [[], ["--a", "2026-01-01T00:00:00Z"], ["--a", "x/y", "--b", "x/y"]])
def test_diff_needs_two_sides(shipped: dict[str, Path], run: Run, options: list[str]) -> None:
    assert run("diff", shipped["healthy"], *options).code == 2


def test_merge_of_a_capture_with_itself_changes_nothing(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    sample, out = shipped["max-replicas-ceiling"], tmp_path / "m.afscope"
    done = run("merge", sample, sample, "-o", out)
    assert (done.code, done.out) == (0, f"{out}\n")
    before, after = (json.loads(run("analyze", path, "-o", "json").out) for path in (sample, out))
    for part in ("findings", "verdict", "gaps"):
        assert before[part] == after[part]


def test_redact_keeps_the_verdict_and_the_names_for_the_owner(
    shipped: dict[str, Path], tmp_path: Path, run: Run
) -> None:
    sample, out, names_file = shipped["metrics-apiserver-hung"], tmp_path / "r.afscope", tmp_path / "names.json"
    done = run("redact", sample, "-o", out, "--names", names_file)
    assert (done.code, done.out) == (0, f"{out}\n")
    assert "leak check" in done.err
    assert names_file.stat().st_mode & 0o777 == 0o600
    known = json.loads(names_file.read_text(encoding="utf-8"))
    assert "analytics-worker" in known
    text = run("analyze", out, "-o", "json").out
    assert not [name for name in known if len(name) > 4 and name in text]
    before, after = json.loads(run("analyze", sample, "-o", "json").out), json.loads(text)
    told = [
        [(f["cause"], f["role"], f["confidence"], f["cost"], len(f["evidence"])) for f in document["findings"]]
        for document in (before, after)
    ]
    assert told[0] == told[1]
    rulings = [
        [(c["component"], c["ruling"]) for c in document["verdict"]["components"]] for document in (before, after)
    ]
    assert rulings[0] == rulings[1]


def test_schema_lists_and_prints(run: Run) -> None:
    assert run("schema").out.split() == names()
    assert json.loads(run("schema", "analyze").out)["title"] == "afscope analyze"
    assert run("schema", "nope").code == 2
