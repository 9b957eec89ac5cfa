"""What is remembered between two looks at one capture, and the theme for all: small JSON files in the state folder."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from platformdirs import user_state_path


class Remembered(msgspec.Struct):
    """Where the user was. Times are microseconds; a capture that has changed since is clamped on restoring."""

    screen: str = "overview"
    target: str = ""
    cursor: int | None = None
    left: int | None = None
    right: int | None = None
    range: tuple[int, int] | None = None
    marks: list[int] = []
    queries: list[str] = []
    screens: dict[str, dict[str, str]] = {}


def _folder() -> Path:
    return user_state_path("afscope") / "ui"


def _file(capture: str) -> Path:
    return _folder() / (re.sub(r"[^A-Za-z0-9._-]", "_", capture)[:120] + ".json")


def recall(capture: str) -> Remembered:
    """What is known about a capture, by its id; nothing where the file is missing or no good any more."""
    try:
        return msgspec.json.decode(_file(capture).read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError):
        return Remembered()


def remember(capture: str, what: Remembered) -> None:
    """Keeps it. A state folder that cannot be written is no reason to bother anybody."""
    _write(_file(capture), msgspec.json.encode(what))


def theme() -> str:
    """The theme that was chosen last; dark at first."""
    try:
        known: Any = msgspec.json.decode((_folder() / "theme.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return "dark"
    return known if isinstance(known, str) else "dark"


def keep_theme(name: str) -> None:
    """For the next time."""
    _write(_folder() / "theme.json", msgspec.json.encode(name))


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; for the user alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        return
