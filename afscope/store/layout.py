"""Names and permissions inside a capture folder, and the two ways to make a file last.

    NAME.afscope/
      manifest.json                     see manifest.py
      segments/<table>/<seq>.parquet    see segment.py
      wal/<seq>.wal                     see wal.py
      lock                              held by the one writer, see lock.py
      lost+found/                       what `recover` took out of the way

Captures are private: folders are 0700, files 0600, whatever the umask.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
MANIFEST = "manifest.json"
SEGMENTS = "segments"
WAL = "wal"
LOCK = "lock"
LOST = "lost+found"
TMP_SUFFIX = ".tmp"
SEGMENT_NAME = re.compile(r"segments/(?P<table>[a-z][a-z0-9_]*)/(?P<seq>\d{8,})\.parquet")
WAL_NAME = re.compile(r"wal/(?P<seq>\d{8,})\.wal")


def segment_name(table: str, seq: int) -> str:
    """Path of a sealed segment, relative to the capture."""
    return f"{SEGMENTS}/{table}/{seq:08d}.parquet"


def wal_name(seq: int) -> str:
    """Path of a WAL file, relative to the capture."""
    return f"{WAL}/{seq:08d}.wal"


def wal_files(root: Path) -> dict[int, Path]:
    """The WAL files that exist now, by sequence number, ascending."""
    try:
        names = os.listdir(root / WAL)
    except FileNotFoundError:
        return {}
    matches = [WAL_NAME.fullmatch(f"{WAL}/{name}") for name in names]
    return {seq: root / wal_name(seq) for seq in sorted(int(m["seq"]) for m in matches if m)}


def all_files(root: Path) -> Iterator[str]:
    """Relative paths of all files of the capture but the lock and lost+found, sorted."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = Path(folder).relative_to(root)
        if inside == Path() and LOST in folders:
            folders.remove(LOST)
        names = ((inside / name).as_posix() for name in sorted(files))
        yield from (name for name in names if name != LOCK)


def make_folder(path: Path) -> None:
    """Creates a private folder. Raises FileExistsError."""
    path.mkdir(mode=FOLDER_MODE)
    path.chmod(FOLDER_MODE)  # a strict umask may have taken bits away


def ensure_folder(path: Path) -> None:
    """Like make_folder, but content with a folder that is there; the new name is made to last."""
    if not path.is_dir():
        make_folder(path)
        sync_folder(path.parent)


def open_new(path: Path, flags: int = 0) -> int:
    """A file descriptor for a new private file, to write only. Raises FileExistsError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | flags, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data`; os.write may take less. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Makes the names in a folder last: a renamed file survives power loss only when its folder was synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` whole or not at all: tmp, fsync, rename, fsync of the folder."""
    tmp = path.with_name(path.name + TMP_SUFFIX)
    tmp.unlink(missing_ok=True)
    descriptor = open_new(tmp)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    tmp.replace(path)
    sync_folder(path.parent)
