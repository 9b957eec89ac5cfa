"""Opening captures: what is refused and how, what counts as recorded, old formats, damaged segments."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from afscope.errors import CaptureError, DamagedCapture, NewerFormat, NotACapture
from afscope.model.capture import Source, SourceState
from afscope.model.row import Row
from afscope.store import arrow
from afscope.store.reader import Capture
from afscope.store.schema import TABLES

from .conftest import START, Make, event, numbers, pod, records

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def no_such(folder: Path) -> Path:
    return folder / "missing.afscope"


def empty(folder: Path) -> Path:
    (folder / "empty.afscope").mkdir()
    return folder / "empty.afscope"


def of_dumps(folder: Path) -> Path:
    (folder / "dumps").mkdir()
    (folder / "dumps" / "pods.json").write_text("{}")
    return folder / "dumps"


def text_file(folder: Path) -> Path:
    (folder / "notes.txt").write_text("hello")
    return folder / "notes.txt"


def with_manifest(text: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        (folder / "m.afscope").mkdir()
        (folder / "m.afscope" / "manifest.json").write_text(text)
        return folder / "m.afscope"

    return build


def without_manifest(folder: Path) -> Path:
    shutil.copytree(GOLDEN / "v1.afscope", folder / "v.afscope")
    (folder / "v.afscope" / "manifest.json").unlink()
    return folder / "v.afscope"


ELSEWHERE = json.dumps(
    {"format_version": 1, "id": "x", "afscope_version": "0", "started_at": 0, "ended_at": 0, "segments": [
        {"table": "pods", "seq": 1, "path": "../../pods/00000001.parquet", "rows": 1, "bytes": 1, "crc32c": 1,
         "first": 0, "last": 0}]}
)  # fmt: skip


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (no_such, NotACapture, "does not exist"),
        (empty, NotACapture, "is an empty folder"),
        (of_dumps, NotACapture, "afscope import"),
        (text_file, NotACapture, "is a file"),
        (with_manifest(""), DamagedCapture, "manifest.json is damaged"),
        (with_manifest('{"format_version": 1, "id": 7}'), DamagedCapture, "manifest.json is damaged"),
        (with_manifest('{"format_version": 0}'), DamagedCapture, "no capture format 0"),
        (with_manifest('{"format_version": 2, "anything": []}'), NewerFormat, "format 2, this afscope reads up to 1"),
        (with_manifest(ELSEWHERE), DamagedCapture, "is not segment 1 of pods"),
        (without_manifest, DamagedCapture, "manifest.json is missing"),
    ],
)
def test_what_is_no_capture_is_refused_with_a_hint(
    tmp_path: Path, build: Callable[[Path], Path], error: type[CaptureError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        Capture.open(build(tmp_path))
    assert type(caught.value) is error
    assert caught.value.hint


def test_listed_without_rows_is_not_the_same_as_not_recorded(make: Make) -> None:
    with make() as writer:
        writer.set_source("pods", SourceState.OK)
        writer.set_source("nodes", SourceState.FORBIDDEN, "nodes is forbidden")
        writer.append(event(1))
    capture = Capture.open(writer.path)
    assert capture.source("pods") == Source(SourceState.OK)
    assert capture.source("events") == Source(SourceState.OK)
    assert capture.source("hpas") == Source(SourceState.NOT_RECORDED)
    assert capture.source("nodes") == Source(SourceState.FORBIDDEN, "nodes is forbidden")
    assert [capture.has(table) for table in ("pods", "events")] == [False, True]
    for ask in (capture.source, capture.rows, capture.has, capture.table, capture.segments, capture.wal_table):
        with pytest.raises(KeyError):
            ask("podz")


def test_tables_have_the_columns_of_the_schema_with_units_in_times_of_utc(make: Make) -> None:
    writer = make()
    writer.append(pod("sealed", START))
    writer.seal()
    writer.append(pod("open", START - 5))
    writer.flush()
    capture = Capture.open(writer.path)
    for name, table in TABLES.items():
        schema = capture.table(name).schema
        assert schema.names == list(table.column_names())
        assert schema.equals(arrow.arrow_schema(table))
    assert capture.table("pods")["uid"].to_pylist() == ["open", "sealed"]
    assert capture.wal_table("pods")["uid"].to_pylist() == ["open"]
    (file,) = capture.segments("pods")
    ts = arrow.conform("pods", capture.table("pods")).schema.field("ts")
    assert str(ts.type) == "timestamp[us, tz=UTC]"
    assert ts.metadata[b"unit"] == b"us UTC"
    assert file == writer.path / "segments/pods/00000001.parquet"


def test_an_unclosed_capture_ends_with_its_last_row(make: Make) -> None:
    writer = make()
    writer.append(event(0, START + 100))
    writer.seal()
    assert Capture.open(writer.path).ended_at == START + 100
    writer.append(Row("pods", {"uid": "a", "seen_at": START + 900, "ts": START + 5_000_000}))
    writer.flush()
    assert Capture.open(writer.path).ended_at == START + 900


def damage_size(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def damage_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_size, damage_bit, Path.unlink])
def test_a_damaged_segment_is_left_out_with_a_warning(make: Make, damage: Callable[[Path], None]) -> None:
    writer = make()
    for number in range(3):
        writer.append(event(number))
        writer.seal()
    writer.close()
    damage(writer.path / "segments/events/00000002.parquet")
    capture = Capture.open(writer.path)
    assert numbers(capture) == [0, 2]
    assert len(capture.segments("events")) == 2
    assert len(capture.warnings) == 1
    assert "segments/events/00000002.parquet was left out" in capture.warnings[0]


@pytest.mark.parametrize("name", ["v1.afscope", "v1-open.afscope"])
def test_format_1_keeps_opening(name: str) -> None:
    capture = Capture.open(GOLDEN / name)
    expected = [json.loads(line) for line in (GOLDEN / "v1.rows.jsonl").read_text().splitlines()]
    found = [{"table": table, **row} for table in TABLES for row in records(capture, table)]
    unproven = {(gap.source, gap.reason) for gap in capture.unproven}
    assert [row for row in found if (row.get("source"), row.get("reason")) not in unproven] == expected
    assert len(found) - len(expected) == len(unproven) == capture.cut_off
    assert capture.source("nodes") == Source(SourceState.FORBIDDEN, "nodes is forbidden")
    assert capture.source("quotas") == Source(SourceState.OK)
    assert capture.manifest.redactions == {"env": 4}
    declared = [gap for gap in capture.gaps() if gap not in capture.unproven]
    assert [(gap.source, gap.to_ts - gap.from_ts) for gap in declared] == [("task_instances", 1_500_000)]
    assert (capture.ended_at, capture.manifest.closed) == (1_795_378_956_601_923, name == "v1.afscope")
    assert [warning[:6] for warning in capture.warnings] == ([] if capture.manifest.closed else ["wal 2:"])


def test_format_1_never_loses_or_changes_a_column() -> None:
    """Within a format columns may only be added. Regenerating v1.schema.txt is a decision, not a fix."""
    expected = (GOLDEN / "v1.schema.txt").read_text().splitlines()
    current: list[str] = []
    for table in TABLES.values():
        current.append(f"{table.name} key: {' '.join(table.key) or '-'}")
        current += [f"{table.name}  {c.name} {c.type.value} [{c.unit}]" for c in table.columns]
    name = ""
    for line in expected:
        name = name if line.startswith(" ") else line.split()[0]
        assert (f"{name}{line}" if line.startswith(" ") else line) in current


def test_columns_of_another_version_are_filled_in_or_left_out(make: Make) -> None:
    with make() as writer:
        writer.append(pod("a", START, phase="Running"))
    table = Capture.open(writer.path).table("pods")
    older = table.drop_columns(["phase", "exit_code"]).append_column("invented", table["uid"])
    (row,) = arrow.conform("pods", older).to_pylist()
    assert (row["uid"], row["phase"], "invented" in row) == ("a", None, False)
    (row,) = arrow.from_rows("pods", ["uid", "invented"], [("a", 1)]).to_pylist()
    assert (row["uid"], row["ts"]) == ("a", None)


def test_opening_imports_nothing_heavy() -> None:
    program = (
        "import sys; from afscope.store.reader import Capture; c = Capture.open(sys.argv[1]); "
        "c.started_at, c.ended_at, c.rows('pods'), c.source('pods'), c.segments('pods'); "
        "print(sorted({'pyarrow', 'numpy', 'pandas', 'duckdb'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(GOLDEN / "v1.afscope")]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"
