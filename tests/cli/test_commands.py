"""Commands on real incidents: formats agree with each other, gates trip, languages switch."""

import csv
import io
import json
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from afscope import __version__
from afscope.cli.analysis_commands import gate
from afscope.cli.capture_commands import default_folder, free_name
from afscope.errors import GateTripped
from afscope.model.finding import COMPONENTS, STAGES, Role, Severity
from tests.cli.conftest import Run, analysis, finding

UNHEALTHY = "metrics-apiserver-hung"


def parsed(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def test_version(run: Run) -> None:
    assert run("--version").out == f"afscope {__version__}\n"


def test_help_lists_what_exists_in_groups(run: Run) -> None:
    text = run("--help").out
    order = [text.index(f"{group}:\n") for group in ("Record", "Look", "Explain", "Share", "Maintain")]
    assert order == sorted(order)
    for command in ("import", "demo", "open", "analyze", "timeline", "waits", "sql", "pack", "info", "verify"):
        assert f"\n  {command} " in text


def test_analyze_json_is_the_contract(shipped: dict[str, Path], run: Run) -> None:
    outcome = run("analyze", shipped[UNHEALTHY], "-o", "json")
    assert (outcome.code, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert document["schema_version"] == 1
    assert parsed(document["capture"]["started_at"]) < parsed(document["capture"]["ended_at"])
    verdict = document["verdict"]
    assert verdict["healthy"] is False
    assert "external_metric_timeout" in verdict["root_causes"]
    assert {item["component"] for item in verdict["components"]} <= set(COMPONENTS)
    assert all(item["evidence"] for item in verdict["components"] if item["ruling"] == "not_guilty")
    ids = [item["id"] for item in document["findings"]]
    assert len(ids) == len(set(ids))
    for item in document["findings"]:
        assert item["stage"] in STAGES
        assert 0 <= item["confidence"] <= 1
        assert item["evidence"] or item["role"] in ("symptom", "observation")
        assert set(item["explained_by"]) <= set(ids)


def test_formats_of_analyze_agree(shipped: dict[str, Path], run: Run) -> None:
    document = json.loads(run("analyze", shipped[UNHEALTHY], "-o", "json").out)
    lines = [json.loads(line) for line in run("analyze", shipped[UNHEALTHY], "-o", "jsonl").out.splitlines()]
    assert [line["id"] for line in lines if line["type"] == "finding"] == [item["id"] for item in document["findings"]]
    for output in ("table", "markdown"):
        text = run("analyze", shipped[UNHEALTHY], "-o", output, "--lang", "en").out.replace("\\", "")
        assert all(cause in text for cause in document["verdict"]["root_causes"])
        assert "\x1b" not in text


def test_a_healthy_run_is_called_healthy(shipped: dict[str, Path], run: Run) -> None:
    verdict = json.loads(run("analyze", shipped["healthy"], "-o", "json").out)["verdict"]
    assert (verdict["healthy"], verdict["root_causes"]) == (True, [])
    assert run("analyze", shipped["healthy"], "--fail-on", "medium").code == 0


def test_fail_on_trips_on_a_real_incident_after_printing_it(shipped: dict[str, Path], run: Run) -> None:
    outcome = run("analyze", shipped[UNHEALTHY], "-o", "json", "--fail-on", "low")
    assert outcome.code == 1
    assert json.loads(outcome.out)["verdict"]["root_causes"]
    assert outcome.err.startswith("afscope: --fail-on low")


@pytest.mark.parametrize(
    ("severity", "role", "threshold", "trips"),
    [
        (Severity.HIGH, Role.ROOT_CAUSE, "high", True),
        (Severity.HIGH, Role.CONTRIBUTING, "medium", True),
        (Severity.HIGH, Role.ROOT_CAUSE, "critical", False),
        (Severity.CRITICAL, Role.SYMPTOM, "low", False),
        (Severity.CRITICAL, Role.OBSERVATION, "low", False),
        (Severity.INFO, Role.ROOT_CAUSE, "low", False),
    ],
)
def test_the_gate_looks_at_role_and_severity(severity: Severity, role: Role, threshold: str, trips: bool) -> None:
    case = analysis(finding(severity=severity, role=role))
    if not trips:
        gate(case, threshold)
        return
    with pytest.raises(GateTripped) as caught:
        gate(case, threshold)
    assert caught.value.exit_code == 1


def test_language_comes_from_the_flag_or_the_environment(
    shipped: dict[str, Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = run("analyze", shipped[UNHEALTHY]).out
    chinese = run("analyze", shipped[UNHEALTHY], "--lang", "zh").out
    assert "Root causes" in english
    assert "根本原因" in chinese
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert run("analyze", shipped[UNHEALTHY]).out == chinese
    monkeypatch.setenv("AFSCOPE_LANG", "en")
    assert run("analyze", shipped[UNHEALTHY]).out == english


def test_waits_add_up(shipped: dict[str, Path], run: Run) -> None:
    end = parsed(json.loads(run("analyze", shipped[UNHEALTHY], "-o", "json").out)["capture"]["ended_at"])
    attempts = json.loads(run("waits", shipped[UNHEALTHY], "-o", "json").out)["attempts"]
    assert attempts
    for attempt in attempts:
        until = parsed(attempt["running_at"]) if attempt["running_at"] else end
        waited = (until - parsed(attempt["runnable_at"])).total_seconds()
        assert sum(stage["seconds"] for stage in attempt["stages"]) == pytest.approx(waited, abs=1)
    total = sum(stage["seconds"] for attempt in attempts for stage in attempt["stages"])
    for by in ("dag", "queue", "pool", "task"):
        rows = list(csv.DictReader(io.StringIO(run("waits", shipped[UNHEALTHY], "--by", by, "-o", "csv").out)))
        assert sum(float(row["seconds"]) for row in rows) == pytest.approx(total, rel=0.01)


def test_the_timeline_in_every_format(shipped: dict[str, Path], run: Run) -> None:
    episodes = json.loads(run("timeline", shipped[UNHEALTHY], "-o", "json").out)["episodes"]
    assert episodes
    assert episodes[0]["peak_demand"] > 0
    changes = [change for episode in episodes for change in episode["decisions"]]
    rows = list(csv.DictReader(io.StringIO(run("timeline", shipped[UNHEALTHY], "-o", "csv").out)))
    decided = [(row["before"], row["after"]) for row in rows if row["kind"] == "decision"]
    assert decided == [(str(change["before"]), str(change["after"])) for change in changes]
    assert episodes[0]["target"] in run("timeline", shipped[UNHEALTHY]).out


def test_a_target_narrows_down_to_itself(shipped: dict[str, Path], run: Run) -> None:
    (episode, *_) = json.loads(run("timeline", shipped[UNHEALTHY], "-o", "json").out)["episodes"]
    only = json.loads(run("analyze", shipped[UNHEALTHY], "-o", "json", "--target", episode["target"]).out)
    assert len(only["targets"]) == 1


def test_sql_from_argument_and_stdin(shipped: dict[str, Path], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT count(*) AS n, min(ts) AS first FROM task_instances"
    (row,) = json.loads(run("sql", shipped["healthy"], query, "-o", "json").out)
    assert row["n"] > 0
    parsed(row["first"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(query))
    assert json.loads(run("sql", shipped["healthy"], "-o", "json").out) == [row]


def unpacked(sample: Path, folder: Path) -> Path:
    with zipfile.ZipFile(sample) as archive:
        archive.extractall(folder)
    return folder


def test_info_and_verify_tell_what_is_there(shipped: dict[str, Path], run: Run) -> None:
    document = json.loads(run("info", shipped["healthy"], "-o", "json").out)
    assert document["tables"]["task_instances"]["rows"] > 0
    assert document["sources"]["task_instances"]["status"] == "ok"
    assert "task_instances:" in run("info", shipped["healthy"]).out
    verified = run("verify", shipped["healthy"])
    assert verified.code == 0
    rows = sum(table["rows"] for table in document["tables"].values())
    assert f"{rows} rows" in verified.out


def test_damage_is_found_repaired_and_packed(shipped: dict[str, Path], run: Run, tmp_path: Path) -> None:
    capture = unpacked(shipped["healthy"], tmp_path / "case.afscope")
    segment = max(capture.rglob("*.parquet"), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    found = run("verify", capture)
    assert found.code == 1
    assert segment.name in found.out
    assert run("pack", capture).code == 2
    assert segment.name in run("recover", capture).out
    assert run("verify", capture).code == 0
    packed = run("pack", capture, "-o", tmp_path / "small.afscope.zip")
    assert packed == (0, f"{tmp_path / 'small.afscope.zip'}\n", "")
    assert run("verify", tmp_path / "small.afscope.zip").code == 0
    assert run("pack", capture, "-o", tmp_path / "small.afscope.zip").code == 2


def test_the_demo_without_a_terminal_prints_verdict_and_timeline(run: Run) -> None:
    outcome = run("demo", "--lang", "en")
    assert outcome.code == 0
    assert "Verdict: not healthy" in outcome.out
    assert "peak demand" in outcome.out
    assert "healthy" in run("demo", "--list").out


def test_the_catalogue_lists_shows_and_checks(run: Run) -> None:
    listed = json.loads(run("analyzers", "list", "-o", "json").out)["analyzers"]
    assert {"pool_exhausted", "max_replicas_ceiling"} <= {item["id"] for item in listed}
    bottlenecks = [item for item in listed if item["group"] == "bottleneck"]
    ranks = [STAGES.index(item["stage"]) for item in bottlenecks]
    assert ranks == sorted(ranks)
    assert 'id = "pool_exhausted"' in run("analyzers", "show", "pool_exhausted").out
    assert "keep the contract" in run("analyzers", "check").out
    assert "pool_exhausted" in run("analyzers", "list").out


def test_a_new_analyzer_runs_as_it_is(run: Run, tmp_path: Path, shipped: dict[str, Path]) -> None:
    folder = tmp_path / "own"
    made = run("analyzers", "new", "slow_tasks", "--folder", folder)
    assert made.code == 0
    assert made.out.strip() == str(folder / "slow_tasks.sql")
    assert run("analyzers", "check", folder).code == 0
    path = folder / "slow_tasks.sql"
    path.write_text(path.read_text().replace("longest_s = 3600", "longest_s = 1"))
    found = json.loads(run("analyze", shipped["healthy"], "--analyzers", folder, "-o", "json").out)["findings"]
    assert "slow_tasks" in {finding["cause"] for finding in found}


@pytest.mark.parametrize("name", ["pool_exhausted", "Slow-Tasks", "taken"])
def test_a_new_analyzer_takes_no_name_that_is_taken(run: Run, tmp_path: Path, name: str) -> None:
    run("analyzers", "new", "taken", "--folder", tmp_path)
    before = (tmp_path / "taken.sql").read_text()
    told = run("analyzers", "new", name, "--folder", tmp_path)
    assert told.code == 2
    assert name in told.err
    assert (tmp_path / "taken.sql").read_text() == before


def test_a_broken_analyzer_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.sql").write_text("SELECT 1\n")
    outcome = run("analyzers", "check", tmp_path)
    assert outcome.code == 2
    assert "odd.sql" in outcome.err


def test_captures_go_to_the_checkout_or_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder, name in ((checkout, "afscope"), (elsewhere, "other")):
        (folder / "deep").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    assert default_folder(checkout / "deep") == checkout / "captures"
    if sys.platform == "linux":
        assert default_folder(elsewhere / "deep") == tmp_path / "state" / "afscope" / "captures"


def test_a_free_name_never_meets_another_capture(tmp_path: Path) -> None:
    first = free_name(tmp_path, "dump.tar.gz")
    assert first == tmp_path / "dump.afscope"
    first.mkdir()
    assert free_name(tmp_path, "dump.tar.gz") == tmp_path / "dump-2.afscope"


def test_an_import_tells_what_it_assumed_and_what_it_could_not_read(tmp_path: Path, run: Run) -> None:
    (tmp_path / "events.txt").write_text(
        "LAST SEEN   TYPE     REASON    OBJECT    MESSAGE\n"
        "5s          Normal   Pulling   pod/w-0   Pulling image\n"
        "<unknown>   Normal   Pulled    pod/w-0   Pulled image\n"
    )
    outcome = run("import", tmp_path / "events.txt", "--taken-at", "2026-03-01T10:00:05Z", "-o", tmp_path / "x.afscope")
    assert outcome.code == 0
    assert outcome.out.strip() == str(tmp_path / "x.afscope")
    assert "given by hand" in outcome.err
    assert "events.txt:3: no event with an age" in outcome.err
    assert "2026-03-01T10:00:00" in run("sql", tmp_path / "x.afscope", "SELECT ts FROM events", "-o", "csv").out


def test_an_analysis_says_how_to_get_what_is_missing(tmp_path: Path, run: Run) -> None:
    (tmp_path / "p.json").write_text(
        '{"kind": "Pod", "metadata": {"name": "w", "uid": "w", "creationTimestamp": "2026-03-01T10:00:00Z"}}'
    )
    run("import", tmp_path / "p.json", "-o", tmp_path / "x.afscope")
    outcome = run("analyze", tmp_path / "x.afscope")
    assert "Sources that are missing" in outcome.out
    assert "--db-url-file" in outcome.out
    assert "缺少的数据源" in run("analyze", tmp_path / "x.afscope", "--lang", "zh").out
