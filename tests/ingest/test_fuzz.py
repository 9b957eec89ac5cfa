"""Exports cut, mixed and scrambled: an import ends with rows or one clear error, and writes nothing but its output."""

import gzip
import random
from pathlib import Path

import pytest

from afscope.errors import AfscopeError
from afscope.ingest import import_sources, lines
from afscope.store.reader import Capture
from tests.ingest.exports import EXPORTS, written

NAMES = sorted(path.name for path in EXPORTS.iterdir())
JUNK = (
    b"\0",
    b"\xff\xfe",
    b"\x1b[31m",
    b'"',
    b"'",
    b"\\",
    b"\t",
    b"\n\n\n",
    b"{",
    b"[",
    b"(",
    b"\r",
    "é\u2028".encode("utf-16"),
    b"x" * 70_000,
)


def plain(name: str) -> bytes:
    data = (EXPORTS / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def scrambled(data: bytes, dice: random.Random) -> bytes:
    """Cuts, doubles, overwrites and inserts in a few places."""
    text = bytearray(data)
    for _ in range(dice.randint(1, 12)):
        at, length = dice.randrange(len(text)), dice.randint(1, 400)
        kind = dice.randrange(4)
        if kind == 0:
            del text[at : at + length]
        elif kind == 1:
            text[at:at] = dice.choice(JUNK)
        elif kind == 2:
            text[at : at + 4] = bytes(dice.randrange(256) for _ in range(4))
        else:
            text[at:at] = text[at : at + length]
        text = text or bytearray(b"x")
    return bytes(text)


def ends_well(folder: Path, out: Path) -> None:
    before = {path for path in folder.parent.rglob("*") if out not in path.parents and path != out}
    try:
        import_sources([folder], out)
    except AfscopeError:
        assert not out.exists()
    else:
        capture = Capture.open(out)
        assert capture.manifest.closed
        assert all(str(folder) in line or "dump of" in line for line in capture.manifest.unread)
    assert {path for path in folder.parent.rglob("*") if out not in path.parents and path != out} == before


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_a_scrambled_export(name: str, seed: int, tmp_path: Path) -> None:
    dice = random.Random(f"{name}{seed}")
    written(tmp_path / "dump", name.removesuffix(".gz"), scrambled(plain(name), dice))
    ends_well(tmp_path / "dump", tmp_path / "x")


@pytest.mark.parametrize("name", NAMES)
def test_an_export_in_the_encoding_of_another_world(name: str, tmp_path: Path) -> None:
    text = plain(name).decode()
    for encoding in ("utf-16", "utf-8-sig"):
        written(tmp_path / encoding / "dump", name.removesuffix(".gz"), text.encode(encoding))
        ends_well(tmp_path / encoding / "dump", tmp_path / encoding / "x")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".gz")])
def test_a_packed_export_that_breaks_off(name: str, tmp_path: Path) -> None:
    packed = (EXPORTS / name).read_bytes()
    written(tmp_path / "dump", name, packed[: len(packed) // 2])
    ends_well(tmp_path / "dump", tmp_path / "x")


def test_everything_in_one_file(tmp_path: Path) -> None:
    written(tmp_path / "dump", "all.txt", b"\n".join(plain(name) for name in NAMES))
    ends_well(tmp_path / "dump", tmp_path / "x")


def test_everything_in_one_folder_is_one_capture(tmp_path: Path) -> None:
    import_sources([EXPORTS], tmp_path / "x")
    capture = Capture.open(tmp_path / "x")
    for table in ("task_instances", "events", "hpas", "pods", "workloads", "scaledobjects", "metrics"):
        assert capture.rows(table), table


@pytest.mark.parametrize("name", ["bomb.log", "bomb.json", "bomb.sql"])
def test_a_gzip_bomb_is_given_up(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SMALL", 1 << 20)
    head = b"[2026-11-22T20:00:01.000+0000] {x.py:1} INFO - x\n" if name.endswith("log") else b'{"kind": "Pod"}\n'
    written(tmp_path / "dump", f"{name}.gz", gzip.compress(head + (b"x" * 1023 + b"\n") * (8 << 10)))
    written(tmp_path / "dump", "good.json", '{"kind": "Pod", "metadata": {"name": "w", "uid": "w"}}')
    import_sources([tmp_path / "dump"], tmp_path / "x")
    assert any("unpacks to more than" in line for line in Capture.open(tmp_path / "x").manifest.unread)
