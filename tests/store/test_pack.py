"""One file per capture: packing is repeatable, and a zip from a stranger cannot do harm."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from afscope.errors import CaptureError, CaptureExists, DamagedCapture, NotACapture
from afscope.store import layout, zipcache
from afscope.store.info import info
from afscope.store.pack import pack
from afscope.store.reader import Capture
from afscope.store.verify import verify

from .conftest import Make, event, numbers


@pytest.fixture
def closed(make: Make) -> Path:
    """A closed capture of ten events in two segments."""
    writer = make()
    writer.extend(event(number) for number in range(5))
    writer.seal()
    writer.extend(event(number) for number in range(5, 10))
    writer.close()
    return writer.path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_packed_capture_opens_the_same_way(closed: Path, tmp_path: Path, cache: Path) -> None:
    packed = pack(closed, tmp_path / "x.afscope.zip")
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600
    capture = Capture.open(packed, cache=cache)
    assert numbers(capture) == list(range(10))
    assert capture.manifest == Capture.open(closed).manifest
    inside = list(cache.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside} == {0o600, 0o700}
    again = Capture.open(packed, cache=cache)
    assert again.path == capture.path
    assert [path.name for path in cache.iterdir()] == [capture.path.name]
    assert verify(packed).ok
    assert info(packed)["tables"]["events"]["rows"] == 10


def test_the_same_capture_gives_the_same_bytes(closed: Path, tmp_path: Path) -> None:
    first = pack(closed, tmp_path / "a.zip").read_bytes()
    copy = tmp_path / "copy.afscope"
    shutil.copytree(closed, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert pack(copy, tmp_path / "b.zip").read_bytes() == first


def test_what_a_crashed_writer_left_is_packed_from_a_copy(make: Make, tmp_path: Path, cache: Path) -> None:
    writer = make()
    writer.extend([event(0), event(1)])
    with pytest.raises(CaptureError, match="still being written"):
        pack(writer.path, tmp_path / "x.zip")
    writer.abandon()
    before = sorted(layout.all_files(writer.path))
    capture = Capture.open(pack(writer.path, tmp_path / "x.zip"), cache=cache)
    assert numbers(capture) == [0, 1]
    assert capture.manifest.closed
    assert sorted(layout.all_files(writer.path)) == before


def test_packing_never_overwrites_and_never_passes_damage_on(closed: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.zip").touch()
    with pytest.raises(CaptureExists):
        pack(closed, tmp_path / "taken.zip")
    (closed / layout.segment_name("events", 1)).write_bytes(b"")
    with pytest.raises(DamagedCapture, match="has 0 bytes"):
        pack(closed, tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()


def test_a_zip_made_by_hand_opens(closed: Path, tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hand.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.mkdir("c.afscope")
        for name in layout.all_files(closed):
            zipped.write(closed / name, f"c.afscope/{name}")
        zipped.writestr("c.afscope/.DS_Store", "x")
    capture = Capture.open(tmp_path / "hand.zip", cache=cache)
    assert numbers(capture) == list(range(10))
    assert sorted(layout.all_files(capture.path)) == sorted(layout.all_files(closed))


def outside(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("segments/../../evil.parquet", b"x")


def absolute(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("/etc/evil", b"x")


def bomb(zipped: zipfile.ZipFile) -> None:
    zipped.writestr(layout.segment_name("events", 1), bytes(50_000_000), zipfile.ZIP_DEFLATED)


def twice(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("c.afscope/manifest.json", b"{}")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [(outside, "outside of itself"), (absolute, "outside of itself"), (bomb, "declares 50000000"), (twice, "twice")],
)
def test_a_harmful_zip_is_refused(
    closed: Path, tmp_path: Path, cache: Path, spoil: Callable[[zipfile.ZipFile], None], text: str
) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.write(closed / layout.MANIFEST, layout.MANIFEST)
        spoil(zipped)
    with pytest.raises(DamagedCapture, match=text):
        Capture.open(tmp_path / "x.zip", cache=cache)
    assert list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


def test_a_zip_without_a_capture_or_a_torn_one_is_refused(closed: Path, tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr("notes.txt", "hello")
    with pytest.raises(NotACapture, match="holds no capture"):
        Capture.open(tmp_path / "x.zip", cache=cache)
    packed = pack(closed, tmp_path / "y.zip")
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(DamagedCapture, match="not a readable zip"):
        Capture.open(packed, cache=cache)


def test_the_cache_forgets_what_was_opened_longest_ago(make: Make, tmp_path: Path, cache: Path) -> None:
    zips = []
    for number in range(4):
        with make(f"c{number}") as writer:
            writer.append(event(number))
        zips.append(pack(writer.path, tmp_path / f"{number}.zip"))
    folders = []
    for at, packed in enumerate([zips[0], zips[1], zips[0], zips[2]]):
        folders.append(zipcache.extracted(packed, cache))
        os.utime(folders[-1], (1_000 + at, 1_000 + at))
    size = sum(file.stat().st_size for file in folders[0].rglob("*") if file.is_file())
    newest = zipcache.extracted(zips[3], cache, limit=2 * size + size // 2)
    assert {path.name for path in cache.iterdir()} == {folders[0].name, folders[3].name, newest.name}
