"""The collector of airflow.cfg: at the start, and again from time to time."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from afscope.capture.tape import Tape
from afscope.errors import CannotConnect
from afscope.normalize.airflow.cfg import CfgFiles

INTERVAL_S = 300.0
_LARGEST = 1024 * 1024


class CfgSource(Protocol):
    """A place where files are."""

    name: str
    """For people."""

    def read(self) -> Mapping[str, str]:
        """Whole texts by scope. Raises CannotConnect."""
        ...


class LocalFile:
    """The airflow.cfg of the container that the recorder runs in."""

    name = "airflow.cfg of this container"

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Mapping[str, str]:
        """The file under its path; nothing when it is not there. Raises CannotConnect when it cannot be read."""
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                return {str(self._path): file.read(_LARGEST)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CannotConnect(f"{self._path} cannot be read: {error.strerror}") from None


def local_files(environ: Mapping[str, str] = os.environ) -> tuple[LocalFile, ...]:
    """Where Airflow's own env says that its file is; none outside of an Airflow container."""
    if environ.get("AIRFLOW_CONFIG"):
        return (LocalFile(Path(environ["AIRFLOW_CONFIG"])),)
    if environ.get("AIRFLOW_HOME"):
        return (LocalFile(Path(environ["AIRFLOW_HOME"]) / "airflow.cfg"),)
    return ()


class CfgCollector:
    """Keeps what the files say of settings on the allow-list; one that cannot be read keeps what it said last."""

    name: str = "airflow.cfg"
    tables: tuple[str, ...] = ("airflow_config",)

    def __init__(self, tape: Tape, sources: Sequence[CfgSource]) -> None:
        """Nothing is read yet."""
        self._tape, self._sources = tape, sources
        self._files = [CfgFiles(tape.redactor) for _ in sources]
        self._notes: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Reads until `stop` is set."""
        while not stop.is_set():
            self.read_once()
            if self._tape.pace.wait(stop, INTERVAL_S):
                return

    def read_once(self) -> None:
        """One look at all places. What cannot be read stands in the capture's settings: most captures do without."""
        for source, files in zip(self._sources, self._files, strict=True):
            try:
                texts = source.read()
            except CannotConnect as error:
                self._note(source.name, f"not read: {error.what}")
                continue
            self._note(source.name, ", ".join(sorted(texts)) or "there is none")
            self._tape.put(list(files.news(texts, self._tape.pace.now())))

    def _note(self, name: str, text: str) -> None:
        if self._notes.get(name) != text:
            self._notes[name] = text
            self._tape.describe(airflow_cfg=dict(self._notes))
