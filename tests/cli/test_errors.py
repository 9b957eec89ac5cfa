"""Bad input ends with exit code 2, one sentence on stderr, nothing on stdout, and never a traceback."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from afscope.cli.main import COULD_NOT_RUN, INTERRUPTED, guarded
from tests.cli.conftest import Outcome, Run


def refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code == COULD_NOT_RUN
    assert outcome.out == ""
    assert outcome.err.startswith("afscope: ")
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err
    assert len(outcome.err.splitlines()) <= 2, outcome.err
    for word in words:
        assert word in outcome.err


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """One of each kind of bad input, by name."""
    (tmp_path / "empty.afscope").mkdir()
    newer = tmp_path / "newer.afscope"
    newer.mkdir()
    (newer / "manifest.json").write_text('{"format_version": 999}')
    garbled = tmp_path / "garbled.afscope"
    garbled.mkdir()
    (garbled / "manifest.json").write_bytes(b'{"format_version": 1, \xff')
    listy = tmp_path / "listy.afscope"
    listy.mkdir()
    (listy / "manifest.json").write_text("[1, 2]")
    (tmp_path / "junk.jsonl").write_bytes(b"\x00\xff{not json\n" * 50)
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "empty.zip").write_bytes(b"")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "part-0.parquet").write_bytes(b"PAR1" + bytes(64) + b"PAR1")
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("readme.txt", "not a capture")
    with zipfile.ZipFile(tmp_path / "slip.afscope.zip", "w") as archive:
        archive.writestr("../../escaped", "x")
        archive.writestr("manifest.json", '{"format_version": 1}')
    (tmp_path / "only-label").mkdir()
    (tmp_path / "only-label" / "label.json").write_text("{}")
    return tmp_path


NOT_CAPTURES = (
    "missing.afscope", "empty.afscope", "newer.afscope", "garbled.afscope", "listy.afscope", "text", "empty.zip",
    "foreign", "foreign.zip", "slip.afscope.zip", "junk.jsonl",
)  # fmt: skip


@pytest.mark.parametrize("name", NOT_CAPTURES)
@pytest.mark.parametrize("command", ["analyze", "timeline", "waits", "info", "pack", "open"])
def test_what_is_no_capture_is_refused(command: str, name: str, broken: Path, run: Run) -> None:
    refused(run(command, broken / name), name)
    assert not (broken.parent / "escaped").exists()


@pytest.mark.parametrize("name", sorted({*NOT_CAPTURES} - {"garbled.afscope", "listy.afscope"}))
def test_what_is_no_capture_cannot_be_verified(name: str, broken: Path, run: Run) -> None:
    refused(run("verify", broken / name), name)


@pytest.mark.parametrize("name", ["garbled.afscope", "listy.afscope"])
def test_a_garbled_manifest_is_damage(name: str, broken: Path, run: Run) -> None:
    outcome = run("verify", broken / name)
    assert outcome.code == 1
    assert "manifest.json" in outcome.out


def test_a_newer_format_is_told_apart(broken: Path, run: Run) -> None:
    refused(run("analyze", broken / "newer.afscope"), "newer")


@pytest.mark.parametrize("name", ["junk.jsonl", "only-label", "missing", "empty.afscope"])
def test_what_cannot_be_imported_is_refused_and_leaves_nothing(name: str, broken: Path, run: Run) -> None:
    refused(run("import", broken / name, "-o", broken / "out.afscope"))
    assert not (broken / "out.afscope").exists()


def test_a_truncated_zip_is_refused(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    cut = tmp_path / "cut.afscope.zip"
    whole = shipped["healthy"].read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    refused(run("analyze", cut), "cut.afscope.zip")


def test_an_existing_output_is_refused(broken: Path, run: Run) -> None:
    refused(run("import", broken / "text", "-o", broken / "empty.afscope"), "exists")
    assert list((broken / "empty.afscope").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_capture_is_refused(shipped: dict[str, Path], tmp_path: Path, run: Run) -> None:
    shut = tmp_path / "shut.afscope.zip"
    shutil.copy(shipped["healthy"], shut)
    shut.chmod(0)
    refused(run("analyze", shut), "shut.afscope.zip")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze", "--nope"], ["--nope"]),
        (["analyze"], ["CAPTURE"]),
        (["nope"], ["nope"]),
        (["analyze", "x", "-o", "yaml"], ["yaml", "json"]),
        (["analyze", "x", "--fail-on", "info"], ["info", "critical"]),
        (["analyze", "x", "--lang", "fr"], ["fr", "zh"]),
        (["analyze", "x", "--tz", "Mars/Olympus"], ["Mars/Olympus"]),
        (["analyze", "x", "--tz", "../../etc/passwd"], ["time zone"]),
        (["analyze", "x", "--since", "yesterday"], ["--since", "yesterday"]),
        (["analyze", "x", "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z"], ["--until"]),
        (["waits", "x", "--by", "color"], ["color", "pool"]),
        (["timeline", "x", "-o", "jsonl"], ["jsonl"]),
        (["demo", "--sample", "nope"], ["nope", "healthy"]),
        (["analyzers", "show", "nope"], ["nope"]),
        (["analyzers", "check", "nowhere"], ["nowhere"]),
        (["import", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_usage_says_what_and_what_instead(arguments: list[str], words: list[str], run: Run) -> None:
    refused(run(*arguments), *words)


def test_an_unknown_target_is_refused_with_the_known_ones(shipped: dict[str, Path], run: Run) -> None:
    for command in ("analyze", "timeline", "waits"):
        refused(run(command, shipped["healthy"], "--target", "no/such"), "no/such")


def test_refused_sql_is_one_sentence(shipped: dict[str, Path], run: Run) -> None:
    refused(run("sql", shipped["healthy"], "SELEC 1"))
    refused(run("sql", shipped["healthy"], "SELECT * FROM no_such_table"), "no_such_table")
    refused(run("sql", shipped["healthy"], "SELECT * FROM read_text('/etc/hostname')"))
    refused(run("sql", shipped["healthy"], "COPY (SELECT 1) TO '/dev/null'"))


def test_a_bare_call_shows_help_and_could_not_run(run: Run) -> None:
    outcome = run()
    assert outcome.code == COULD_NOT_RUN
    assert "Usage" in outcome.out + outcome.err


def test_hostile_names_in_messages_are_harmless(tmp_path: Path, run: Run) -> None:
    assert "\x1b" not in run("analyze", tmp_path / "\x1b[2Jx").err


def test_a_bug_is_one_sentence_and_says_how_to_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFSCOPE_DEBUG", raising=False)

    def bug() -> None:
        raise KeyError("surprise")

    assert guarded(bug) == COULD_NOT_RUN
    err = capsys.readouterr().err
    assert "unexpected KeyError: 'surprise'" in err
    assert "AFSCOPE_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("AFSCOPE_DEBUG", "1")
    assert guarded(bug) == COULD_NOT_RUN
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupted) == INTERRUPTED
    assert capsys.readouterr() == ("", "")


def process(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from afscope.cli.main import run; run()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_a_reader_that_leaves_early_is_no_error(shipped: dict[str, Path]) -> None:
    with process("sql", shipped["healthy"], "SELECT range, repeat('x', 100) FROM range(20000)", "-o", "csv") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline().startswith("range")
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 0


def test_output_survives_an_ascii_terminal(shipped: dict[str, Path]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with process("sql", shipped["healthy"], "SELECT '池' AS name", "-o", "json", env=environment) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert json.loads(out) == [{"name": "池"}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import"], ["nothing to import", "--db-url-file"]),
        (["import", "--db-url-file", "nowhere"], ["nowhere"]),
        (["import", __file__, "--since", "monday"], ["--since", "monday"]),
        (["import", __file__, "--taken-at", "noon"], ["--taken-at", "noon"]),
        (["import", __file__, "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z"], ["--until"]),
        (["import", "--db-url-file", __file__], ["--since", "--until"]),
    ],
)
def test_an_import_says_what_it_needs(arguments: list[str], words: list[str], run: Run) -> None:
    refused(run(*arguments), *words)


def test_a_database_that_cannot_be_reached_leaves_nothing(tmp_path: Path, run: Run) -> None:
    url = tmp_path / "url"
    url.write_text("postgresql://someone:hunter2@127.0.0.1:1/airflow")
    window = ("--since", "2026-03-01T00:00:00Z", "--until", "2026-03-02T00:00:00Z")
    outcome = run("import", "--db-url-file", url, *window, "-o", tmp_path / "out.afscope")
    refused(outcome, "127.0.0.1:1")
    assert "hunter2" not in outcome.err
    assert not (tmp_path / "out.afscope").exists()
