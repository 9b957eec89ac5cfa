"""Captures that lie elsewhere: a packed capture at a URL, brought to a folder of this machine.

`https://` and `http://` are read with urllib3, `s3://`, `gs://` and `file://` with pyarrow's file systems, which take
their credentials from where the cloud's own tools take them.
"""

import shutil
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from afscope.errors import CannotConnect, UsageError

SCHEMES = ("https", "http", "s3", "gs", "file")
_CHUNK = 1 << 20
_TIMEOUT_S = 30.0


def is_url(place: str) -> bool:
    """Whether `place` names a capture by URL; a path is none, whatever it looks like."""
    return "://" in place


def fetch(url: str, folder: Path) -> Path:
    """Brings the file at `url` into `folder`; returns its path there.

    Raises UsageError for a URL of another kind, and CannotConnect when it cannot be had; messages never show a login or
    a signature that is part of the URL.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    if parts.scheme not in SCHEMES or not name:
        raise UsageError(f"{shown(url)} is no capture's URL", f"{', '.join(SCHEMES)} of a packed NAME.afscope.zip")
    out = folder / name
    if parts.scheme in ("http", "https"):
        _from_web(url, out)
    else:
        _from_store(url, out)
    return out


def shown(url: str) -> str:
    """The URL without what could be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _from_web(url: str, out: Path) -> None:
    import urllib3

    try:
        with (
            urllib3.PoolManager(timeout=urllib3.Timeout(_TIMEOUT_S)) as pool,
            pool.request("GET", url, preload_content=False) as answer,
        ):
            if answer.status != 200:
                raise CannotConnect(f"{shown(url)}: the server says {answer.status} {answer.reason or ''}".rstrip())
            with out.open("xb") as file:
                for chunk in answer.stream(_CHUNK, decode_content=False):
                    file.write(chunk)
    except urllib3.exceptions.HTTPError as error:
        raise CannotConnect(f"{shown(url)}: {type(error).__name__}", "is the address right, and is it up?") from error


def _from_store(url: str, out: Path) -> None:
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    try:
        files, path = FileSystem.from_uri(url)
        with files.open_input_stream(path) as source, out.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
    except (OSError, ArrowException) as error:
        reason = str(error).splitlines()[0].replace(url, shown(url))
        raise CannotConnect(f"{shown(url)}: {reason}") from error
