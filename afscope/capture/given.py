"""Where Airflow's own settings say that something is: a file, an env variable, or the command that a variable names."""

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from afscope.errors import CannotConnect

_CMD_S = 20
_LONGEST = 64 * 1024

Source = Callable[[], str]
"""Gives a URL; asked again when a login fails, because credentials get rotated. Raises CannotConnect."""


def source_of(
    names: Sequence[str], url_file: Path | None = None, environ: Mapping[str, str] = os.environ, *, flag: str
) -> Source | None:
    """Where a URL comes from: the file, else the first variable of `names` that is set; None when nobody tells.

    `_CMD` variants are run as Airflow runs them, without a shell. Raises CannotConnect for `_SECRET` variants, which
    name an entry of a secrets backend; `flag` is the option that helps then.
    """
    if url_file is not None:
        return lambda: _read(url_file)
    for name in names:
        if environ.get(name):
            return lambda name=name: environ[name]  # type: ignore[misc]
        if environ.get(f"{name}_CMD"):
            return lambda name=name: _run(f"{name}_CMD", environ[f"{name}_CMD"])  # type: ignore[misc]
    secret = next((f"{name}_SECRET" for name in names if environ.get(f"{name}_SECRET")), None)
    if secret is not None:
        raise CannotConnect(
            f"{secret} names an entry of Airflow's secrets backend, which only Airflow can read", f"give {flag}"
        )
    return None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no text"
        raise CannotConnect(f"{path} cannot be read: {why}") from error
    if not text:
        raise CannotConnect(f"{path} is empty", "it must hold a URL")
    return text


def _run(name: str, command: str) -> str:
    """What the command prints. Its output never becomes part of a message: it may be the password."""
    try:
        done = subprocess.run(  # noqa: S603  (the operator's own command, as Airflow runs it)
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=_CMD_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotConnect(f"the command in {name} did not end within {_CMD_S} s") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "cannot be split into words"
        raise CannotConnect(f"the command in {name} cannot be run: {why}") from None
    if done.returncode:
        raise CannotConnect(f"the command in {name} failed with exit code {done.returncode}")
    return done.stdout[:_LONGEST].decode(errors="ignore").strip()
