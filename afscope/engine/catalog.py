"""The catalog of analyzers: found, parsed, checked against their contract, ordered.

Order of folders: shipped, the user's config folder, AFSCOPE_ANALYZERS, extra folders, entry points. Two files with
one id are an error unless the later one says `replaces`. SQL inside a capture is never read.
"""

import importlib.metadata
import importlib.resources
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from afscope.engine.header import GROUPS, AnalyzerFile, parse
from afscope.errors import AnalyzerError

BUILT_IN_FACTS = frozenset({"trigger_texts", "trigger_values", "counted", "decisions", "waits"})
"""Facts that Python computes: the trigger's SQL re-run, who wrote spec.replicas (by `control`), the attribution."""


class Catalog:
    """All analyzers by id, in loading order."""

    def __init__(self, files: Mapping[str, AnalyzerFile]) -> None:
        self._files = dict(files)

    @classmethod
    def load(cls, dirs: Sequence[Path] = ()) -> "Catalog":
        """Reads every folder; `dirs` are the extra ones of --analyzers. Raises AnalyzerError."""
        files: dict[str, AnalyzerFile] = {}
        for folder, shipped in _folders(dirs):
            for path in sorted(folder.rglob("*.sql")):
                _add(files, parse(path, shipped=shipped))
        return cls(files)

    @property
    def analyzers(self) -> tuple[AnalyzerFile, ...]:
        """Every file, facts first."""
        return tuple(sorted(self._files.values(), key=lambda f: (GROUPS.index(f.header.group), f.header.id)))

    def group(self, name: str) -> tuple[AnalyzerFile, ...]:
        """The files of one group, by id."""
        return tuple(file for file in self.analyzers if file.header.group == name)

    def __contains__(self, analyzer_id: object) -> bool:
        return analyzer_id in self._files

    def get(self, analyzer_id: str) -> AnalyzerFile:
        """One analyzer; AnalyzerError when there is none of that id."""
        try:
            return self._files[analyzer_id]
        except KeyError:
            raise AnalyzerError(f"no analyzer {analyzer_id!r}", "afscope analyzers list shows all") from None

    @property
    def fact_names(self) -> frozenset[str]:
        """Tables that analyzers may read besides those of the capture."""
        return frozenset(file.header.id for file in self.group("timeline")) | BUILT_IN_FACTS


def _add(files: dict[str, AnalyzerFile], file: AnalyzerFile) -> None:
    before = files.get(file.header.id)
    if before is not None and file.header.replaces != file.header.id:
        raise AnalyzerError(
            f"analyzer {file.path}: id {file.header.id!r} is already taken by {before.path}",
            f'rename it, or say replaces = "{file.header.id}" in its header',
        )
    files[file.header.id] = file


def _folders(extra: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    yield shipped_folder(), True
    yield from ((folder, False) for folder in _user_folders() if folder.is_dir())
    for folder in extra:
        if not folder.is_dir():
            raise AnalyzerError(f"--analyzers {folder}: not a folder")
        yield folder, False
    yield from ((folder, False) for folder in _entry_points())


def shipped_folder() -> Path:
    """Where the shipped analyzers are: inside the wheel, else in the checkout."""
    inside = Path(str(importlib.resources.files("afscope"))) / "_analyzers"
    folder = inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "analyzers"
    if not folder.is_dir():
        raise AnalyzerError("the shipped analyzers are missing from this installation", "install afscope again")
    return folder


def new_analyzer(name: str, group: str, folder: Path | None = None) -> Path:
    """Writes `NAME.sql`, an analyzer that runs and waits to be changed; returns its path.

    `folder` is made if it is not there; by default it is the one that is always read. Raises AnalyzerError when the
    name is no id, or taken by an analyzer or a file.
    """
    folder = folder or own_folder()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise AnalyzerError(f"{name!r} is no id of an analyzer", "lower-case letters, digits and _, such as slow_tasks")
    known = {file.header.id: file.path for file in Catalog.load((folder,) if folder.is_dir() else ()).analyzers}
    if name in known:
        raise AnalyzerError(f"id {name!r} is already taken by {known[name]}")
    path = folder / f"{name}.sql"
    text = (importlib.resources.files("afscope.engine") / "template.sql").read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("@id@", name).replace("@group@", group))
    except OSError as error:
        raise AnalyzerError(f"{path} cannot be written: {error.strerror}") from error
    return path


def own_folder() -> Path:
    """The user's own analyzers, read by every command."""
    from platformdirs import user_config_path

    return user_config_path("afscope") / "analyzers"


def _user_folders() -> Iterable[Path]:
    yield own_folder()
    yield from (Path(part) for part in os.environ.get("AFSCOPE_ANALYZERS", "").split(os.pathsep) if part)


def _entry_points() -> Iterator[Path]:
    for entry in importlib.metadata.entry_points(group="afscope.analyzers"):
        # the value names a package whose files are read; nothing of it is executed but its __init__
        yield Path(str(importlib.resources.files(entry.value)))


def words_of_analyzers() -> frozenset[str]:
    """The words that the shipped analyzers look for in texts: whoever changes texts must leave these alone."""
    literals = re.compile(r"'((?:[^']|'')*)'")
    return frozenset(
        word.lower()
        for file in Catalog.load().analyzers
        for literal in literals.findall(file.sql)
        for word in re.findall(r"[A-Za-z]{3,}", literal)
    )
