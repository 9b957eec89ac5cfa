"""Reading and writing `manifest.json`, the commit point of a capture.

A segment belongs to the capture when the manifest names it, not when its file exists. Fields that a later afscope
adds within one format_version are ignored; a higher format_version is refused.
"""

from pathlib import Path

import msgspec

from afscope.errors import DamagedCapture, NewerFormat, NotACapture
from afscope.model.capture import FORMAT_VERSION, Manifest
from afscope.store import layout

_REBUILD = "`afscope recover` rebuilds it from the segments"
_decoder = msgspec.json.Decoder(Manifest)


class _Version(msgspec.Struct):
    format_version: int


_version = msgspec.json.Decoder(_Version)


def read_manifest(root: Path) -> Manifest:
    """The manifest of the capture folder `root`. Raises NotACapture, NewerFormat or DamagedCapture."""
    try:
        data = (root / layout.MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if (root / layout.SEGMENTS).is_dir() or (root / layout.WAL).is_dir():
            raise DamagedCapture(f"{root}: {layout.MANIFEST} is missing", _REBUILD) from error
        raise NotACapture(f"{root} is not a capture: it has no {layout.MANIFEST}", "see `afscope capture`") from error
    except OSError as error:
        raise NotACapture(f"{root} cannot be read: {error.strerror}", "captures are readable by their owner") from error
    return decode_manifest(data, str(root))


def decode_manifest(data: bytes, where: str) -> Manifest:
    """Bytes to manifest; `where` names the capture in messages. Raises NewerFormat or DamagedCapture."""
    try:
        version = _version.decode(data).format_version
        if 1 <= version <= FORMAT_VERSION:
            manifest = _decoder.decode(data)
            _check_paths(manifest)
            return manifest
    except (msgspec.DecodeError, ValueError) as error:
        raise DamagedCapture(f"{where}: {layout.MANIFEST} is damaged: {error}", _REBUILD) from error
    if version < 1:
        raise DamagedCapture(f"{where}: there is no capture format {version}", _REBUILD)
    raise NewerFormat(
        f"{where} has capture format {version}, this afscope reads up to {FORMAT_VERSION}", "upgrade afscope"
    )


def _check_paths(manifest: Manifest) -> None:
    """A manifest may come from someone else: it names files of its own capture, or it is not taken at all."""
    for segment in manifest.segments:
        match = layout.SEGMENT_NAME.fullmatch(segment.path)
        if match is None or (match["table"], int(match["seq"])) != (segment.table, segment.seq):
            raise ValueError(f"{segment.path!r} is not segment {segment.seq} of {segment.table}")


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replaces the manifest atomically and durably. Raises OSError."""
    layout.replace_file(root / layout.MANIFEST, encode_manifest(manifest))


def encode_manifest(manifest: Manifest) -> bytes:
    """Indented JSON, as people open it in editors."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def sealed_seq(manifest: Manifest) -> int:
    """The highest sealed sequence number, 0 when nothing is sealed: WALs up to it are spent."""
    return max((segment.seq for segment in manifest.segments), default=0)
