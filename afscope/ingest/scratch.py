"""A temporary folder for what has to be unpacked or taken apart before it can be read; deleted with the import.

Archives come from strangers: members keep their names only as far as these stay inside the folder, nothing but plain
files is unpacked, and what unpacks to far more than it should is stopped.
"""

import hashlib
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO

from afscope.ingest.lines import lines, open_bytes
from afscope.ingest.sink import Findings

MAX_MEMBERS = 200_000
MAX_BYTES = 16 << 30
# Support bundles shrink to a tenth, repetitive JSON to a hundredth; beyond this it is a bomb.
MAX_RATIO, SMALL = 400, 256 << 20
_CHUNK = 1 << 20
_MAGIC_AT = 257
_START, _END = b"==== START logs for container ", b"==== END logs for container "
_BROKEN = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    RuntimeError,
    ValueError,
)


class Scratch:
    """The folder. Texts about files in it name them by where they came from: `bundle.tar.gz/path`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="afscope-import-")
        self._root = Path(self._folder.name)
        self._origins: dict[str, str] = {}

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def named(self, text: str) -> str:
        """A text with the paths of this folder replaced by where its files came from."""
        if str(self._root) in text:
            for folder, origin in sorted(self._origins.items(), reverse=True):
                text = text.replace(folder, origin)
        return text

    def folder(self, origin: Path) -> Path:
        """A new folder for what comes out of `origin`."""
        made = self._root / f"{len(self._origins):04d}"
        made.mkdir()
        self._origins[str(made)] = self.named(str(origin))
        return made

    def unpack(self, archive: Path, found: Findings) -> Path:
        """Unpacks a tar or zip; what is left out, and why, is noted."""
        out = self.folder(archive)
        budget = _Budget(archive)
        try:
            for name, handle in _members(archive, found):
                target = _inside(out, name)
                if target is None:
                    found.note(f"{archive}: {name[:200]!r} leads outside of the archive: left out")
                elif not budget.member():
                    found.note(f"{archive}: more than {MAX_MEMBERS} files: the rest is left out")
                    break
                elif not _copy(handle, target, budget):
                    target.unlink()
                    found.note(
                        f"{archive}: {name[:200]!r} unpacks to more than any bundle does: it and the rest are left out"
                    )
                    break
        except _BROKEN as error:
            found.note(f"{archive}: breaks off, what came before is kept: {error}")
        return out

    def split_dump(self, path: Path, found: Findings) -> Path:
        """The output of `kubectl cluster-info dump`: objects with logs between them, each container's in a file.

        The file of objects has blank lines for those of the logs, so that line numbers stay what they are.
        """
        out = self.folder(path)
        log: IO[bytes] | None = None
        kept = out / f"{path.name}.json"
        self._origins[str(kept)] = self.named(str(path))
        with kept.open("wb") as objects:
            for _, line in lines(path, found.note, exact=True):
                if line.startswith(_START):
                    log = self._log(out, line)
                elif line.startswith(_END) and log is not None:
                    log.close()
                    log = None
                elif log is not None:
                    log.write(line + b"\n")
                else:
                    objects.write(line)
                objects.write(b"\n")
        if log is not None:
            log.close()
        return out

    def _log(self, out: Path, line: bytes) -> IO[bytes]:
        words = line[len(_START) :].decode("utf-8", "replace").split()
        container, pod = (words[0], words[3]) if len(words) > 3 else ("unknown", "unknown")
        target = _inside(out, f"{pod}/{container}.log") or out / "unnamed.log"
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("ab")


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, or a tar, maybe compressed."""
    if zipfile.is_zipfile(path):
        return True
    try:
        with path.open("rb") as handle:
            head = handle.read(_MAGIC_AT + 5)
        if head[:2] == b"\x1f\x8b":
            with open_bytes(path) as unpacked:
                head = unpacked.read(_MAGIC_AT + 5)
        return head[_MAGIC_AT:] == b"ustar" or (head[:3] in (b"BZh", b"\xfd7z") and tarfile.is_tarfile(path))
    except _BROKEN:
        return False


def is_dump(path: Path) -> bool:
    """Whether logs stand between the objects of a file."""
    return any(line.startswith(_START) for _, line in lines(path, lambda _: None))


class _Budget:
    """How much may still be unpacked."""

    def __init__(self, archive: Path) -> None:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        self._bytes = min(MAX_BYTES, free // 2, max(SMALL, archive.stat().st_size * MAX_RATIO))
        self._members = MAX_MEMBERS

    def member(self) -> bool:
        self._members -= 1
        return self._members >= 0

    def take(self, count: int) -> bool:
        self._bytes -= count
        return self._bytes >= 0


def _members(archive: Path, found: Findings) -> Iterator[tuple[str, IO[bytes]]]:
    """The plain files of an archive, in its order."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                # the upper half of external_attr is the Unix mode; 0xA000 is a link
                if info.external_attr >> 28 == 0xA:
                    found.note(f"{archive}: {info.filename[:200]!r} is a link: left out")
                elif not info.is_dir():
                    with packed.open(info) as handle:
                        yield info.filename, handle
        return
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)) is not None:
                yield member.name, content
            elif not member.isdir():
                found.note(f"{archive}: {member.name[:200]!r} is a link or a device: left out")


def _inside(root: Path, name: str) -> Path | None:
    """Where a member goes; None when its name leads elsewhere."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0].startswith("/") or ".." in parts or "\0" in name or ":" in parts[0]:
        return None
    # file systems take 255 bytes
    short = [p if len(p.encode()) <= 200 else f"{p[:100]}-{hashlib.sha256(p.encode()).hexdigest()[:16]}" for p in parts]
    return root.joinpath(*short)


def _copy(handle: IO[bytes], target: Path, budget: _Budget) -> bool:
    """Copies as much as the budget allows; False when it did not suffice."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        while chunk := handle.read(_CHUNK):
            if not budget.take(len(chunk)):
                return False
            out.write(chunk)
    return True
