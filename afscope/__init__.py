"""afscope: who is to blame when Airflow tasks wait and the KEDA-scaled workers are not there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from afscope.notebook import OpenCapture

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(path: "Path | str", *, lang: str = "en", analyzers: "Sequence[Path]" = ()) -> "OpenCapture":  # noqa: A001
    """Opens a capture for a notebook: `afscope.open("x.afscope").table("pods").pandas()`; see `afscope.notebook`."""
    # By name: whatever imports this package for its version must not depend on the engine.
    from importlib import import_module

    opened: OpenCapture = import_module("afscope.notebook").open(path, lang=lang, analyzers=analyzers)
    return opened
