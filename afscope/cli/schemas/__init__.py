"""JSON Schemas (draft 2020-12) of the documents that commands print; `afscope schema NAME` shows one.

They do not forbid other keys, because keys are only ever added within one schema version.
"""

from importlib import resources

_TAIL = ".schema.json"


def names() -> list[str]:
    """The documents that have a schema."""
    return sorted(f.name.removesuffix(_TAIL) for f in resources.files(__name__).iterdir() if f.name.endswith(_TAIL))


def text(name: str) -> str:
    """The schema of one document; `name` is one of `names()`."""
    return (resources.files(__name__) / f"{name}{_TAIL}").read_text(encoding="utf-8")
