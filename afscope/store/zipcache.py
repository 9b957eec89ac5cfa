"""Opening `NAME.afscope.zip`: extracted once into a cache that is keyed by the zip's hash and bounded in bytes.

A zip comes from someone else, so only names that a capture can have are extracted, never more bytes of a file than
its entry declares, and never more of a segment than the manifest in the zip declares.
"""

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from afscope.errors import CaptureError, DamagedCapture, NotACapture
from afscope.model.capture import Manifest
from afscope.store import layout
from afscope.store.manifest import decode_manifest

CACHE_BYTES = 4 << 30
_MANIFEST_BYTES = 64 << 20
_WAL_BYTES = 1 << 30
# `zip -r` puts everything below one folder; `afscope pack` does not.
_ENTRY = re.compile(r"(?:[^/]+\.afscope/)?(?P<inside>manifest\.json|(?:segments|wal)/.+)")


def extracted(archive: Path, cache: Path | None = None, limit: int = CACHE_BYTES) -> Path:
    """The folder that holds what the zip holds. `limit` bounds the cache, the folder just made not counted.

    Raises NotACapture, NewerFormat or DamagedCapture; CaptureError when the cache cannot be written.
    """
    root = cache if cache is not None else _default_cache()
    target = root / f"{_sha256(archive)}.afscope"
    try:
        if not target.is_dir():
            root.mkdir(parents=True, exist_ok=True, mode=layout.FOLDER_MODE)
            _extract(archive, root, target)
        os.utime(target)
        _evict(root, target, limit)
    except OSError as error:
        raise CaptureError(f"{archive} cannot be extracted into {root}: {error}", "unzip it by hand") from error
    return target


def _default_cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("afscope") / "captures"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NotACapture(f"{path} cannot be read: {error.strerror}", "check its permissions") from error


def _extract(archive: Path, root: Path, target: Path) -> None:
    """Into a folder beside the target, then renamed: another process sees the whole or nothing."""
    work = Path(tempfile.mkdtemp(prefix=".extract-", dir=root))
    try:
        with zipfile.ZipFile(archive) as zipped:
            _extract_entries(zipped, _entries(zipped, archive), archive, work)
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, and its files are the same
                raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DamagedCapture(f"{archive} is not a readable zip: {error}", "copy it again from where it came") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _entries(zipped: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries that belong to a capture, by their path inside it."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in zipped.infolist():
        if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
            raise DamagedCapture(f"{archive} has an entry outside of itself: {entry.filename!r}", "do not trust it")
        match = _ENTRY.fullmatch(entry.filename)
        inside = match["inside"] if match else ""
        if inside == layout.MANIFEST or layout.SEGMENT_NAME.fullmatch(inside) or layout.WAL_NAME.fullmatch(inside):
            if inside in found:
                raise DamagedCapture(f"{archive} has {inside} twice", "pack one capture per zip")
            found[inside] = entry
    if layout.MANIFEST not in found:
        raise NotACapture(f"{archive} holds no capture: no {layout.MANIFEST}", "`afscope pack` makes such files")
    return found


def _extract_entries(zipped: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], archive: Path, work: Path) -> None:
    data = _read(zipped, entries.pop(layout.MANIFEST), _MANIFEST_BYTES, archive)
    _write(work / layout.MANIFEST, data)
    limits = _limits(decode_manifest(data, str(archive)))
    for folder in (layout.SEGMENTS, layout.WAL):
        layout.make_folder(work / folder)
    for name, entry in sorted(entries.items()):
        limit = _WAL_BYTES if name.startswith(layout.WAL) else limits.get(name)
        if limit is None:
            continue  # a segment that the manifest does not name does not count
        (work / name).parent.mkdir(exist_ok=True, mode=layout.FOLDER_MODE)
        _write(work / name, _read(zipped, entry, limit, archive))


def _limits(manifest: Manifest) -> dict[str, int]:
    return {segment.path: segment.bytes for segment in manifest.segments}


def _read(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int, archive: Path) -> bytes:
    if entry.file_size > limit:
        raise DamagedCapture(
            f"{archive}: {entry.filename} declares {entry.file_size} bytes, {limit} were expected", "do not trust it"
        )
    with zipped.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) > entry.file_size:
        raise DamagedCapture(f"{archive}: {entry.filename} is larger than it declares", "do not trust it")
    return data


def _write(path: Path, data: bytes) -> None:
    descriptor = layout.open_new(path)
    try:
        layout.write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _evict(root: Path, keep: Path, limit: int) -> None:
    """Removes the captures that were opened longest ago until the others fit into `limit` bytes."""
    left = limit
    folders = [folder for folder in root.glob("*.afscope") if folder != keep]
    for folder in sorted(folders, key=_used_at, reverse=True):
        left -= sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        if left < 0:
            shutil.rmtree(folder, ignore_errors=True)


def _used_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
