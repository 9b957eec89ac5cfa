"""One file per capture: `NAME.afscope.zip`. Equal captures give equal zips, byte for byte."""

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from afscope.errors import CaptureError, CaptureExists, DamagedCapture
from afscope.model.capture import Manifest
from afscope.store import layout, snapshot
from afscope.store.checksum import damage
from afscope.store.lock import is_being_written
from afscope.store.manifest import read_manifest

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first day of the zip format: no time of packing in the file


def pack(path: Path, out: Path) -> Path:
    """Packs the capture folder `path` into the new file `out`, mode 0600; returns `out`.

    What a crashed writer left is packed from a recovered copy, the original is not touched. Raises CaptureError while
    a writer is at work, CaptureExists when `out` is taken, DamagedCapture when a segment is not what it should be.
    """
    snapshot.check_folder(path)
    manifest = read_manifest(path)
    if out.exists():
        raise CaptureExists(f"{out} exists", "choose another -o")
    if is_being_written(path):
        raise CaptureError(f"{path} is still being written", "stop that recorder first")
    if manifest.closed:
        return _write(path, manifest, out)
    with tempfile.TemporaryDirectory(prefix="afscope-pack-") as scratch:
        from afscope.store.recover import recover

        copy = Path(scratch) / path.name
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns(layout.LOST, layout.LOCK))
        recover(copy)
        return _write(copy, read_manifest(copy), out)


def _write(root: Path, manifest: Manifest, out: Path) -> Path:
    for segment in manifest.segments:
        problem = damage(root, segment)
        if problem:
            raise DamagedCapture(f"{root}: {segment.path}: {problem}", "`afscope recover` drops what is damaged")
    tmp = out.with_name(out.name + layout.TMP_SUFFIX)
    tmp.unlink(missing_ok=True)
    try:
        with os.fdopen(layout.open_new(tmp), "wb") as file:
            with zipfile.ZipFile(file, "w") as zipped:
                for name in [layout.MANIFEST, *sorted(segment.path for segment in manifest.segments)]:
                    zipped.writestr(_entry(name), (root / name).read_bytes())
            file.flush()
            os.fsync(file.fileno())
        tmp.replace(out)
    except OSError as error:
        raise CaptureError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        tmp.unlink(missing_ok=True)
    return out


def _entry(name: str) -> zipfile.ZipInfo:
    """Stored, not deflated: segments are zstd already, and zlib's output differs between versions."""
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = layout.FILE_MODE << 16
    return entry
