"""The real incidents that ship with the program: in the wheel, else in the checkout."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from afscope.errors import UsageError

SUFFIX = ".afscope.zip"
INDEX = "samples.toml"
DEFAULT = "metrics-apiserver-hung"


@dataclass(frozen=True, slots=True)
class Sample:
    """A packed capture, its name and one sentence about it."""

    name: str
    about: str
    file: Traversable


def samples() -> list[Sample]:
    """All samples, the default one first. Raises UsageError when none came with this installation."""
    found = sorted(_all(), key=lambda sample: (sample.name != DEFAULT, sample.name))
    if not found:
        raise UsageError("this installation carries no samples", "reinstall afscope from its wheel")
    return found


def sample(name: str) -> Sample:
    """The sample of this name. Raises UsageError with the names there are."""
    known = samples()
    for candidate in known:
        if candidate.name == name:
            return candidate
    raise UsageError(f"no sample {name!r}", f"there are: {', '.join(item.name for item in known)}")


def _all() -> Iterator[Sample]:
    for folder in (resources.files("afscope") / "_samples", Path(__file__).parents[2] / "captures" / "samples"):
        files = [file for file in folder.iterdir() if file.name.endswith(SUFFIX)] if folder.is_dir() else []
        if files:
            about = _index(folder)
            for file in files:
                name = file.name.removesuffix(SUFFIX)
                yield Sample(name, about.get(name, ""), file)
            return


def _index(folder: Traversable) -> dict[str, str]:
    index = folder / INDEX
    if not index.is_file():
        return {}
    return {name: str(text) for name, text in tomllib.loads(index.read_text(encoding="utf-8")).items()}
