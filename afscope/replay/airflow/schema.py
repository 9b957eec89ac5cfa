"""Schemas of the Airflow metadata DB per release: the tables that matter for scaling, with all their columns.

The files in `schemas/` are made out of dumps of migrated databases (`python -m tests.replay.airflow.make_schemas`).
Column types keep the names that PostgreSQL has for them. Foreign keys are left out: a recording has the recent rows,
and most of the tables they lead to are not here.
"""

from functools import cache
from importlib import resources

import msgspec

from afscope.normalize.airflow.versions import Version


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column."""

    type: str
    """int4, int8, bool, bytea, float8, json, jsonb, text, timestamp, timestamptz, uuid or varchar(N)."""
    null: bool = True
    default: int | str | bool | None = None
    serial: bool = False
    """Numbered by the database."""
    bytewise: bool = False
    """Compared byte by byte where the database would ignore case: MySQL's ids."""

    @property
    def kind(self) -> str:
        """The type without its length."""
        return self.type.partition("(")[0]

    @property
    def length(self) -> int | None:
        """The most characters of a varchar."""
        length = self.type.partition("(")[2].rstrip(")")
        return int(length) if length else None


class Index(msgspec.Struct, frozen=True, omit_defaults=True):
    """One index that is not unique."""

    columns: tuple[str, ...]
    state: str | None = None
    """Only rows in this state are in it, where the database knows partial indexes."""
    include: tuple[str, ...] = ()
    """Carried along, not searched by; PostgreSQL alone."""


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One table; keys and indexes by their names."""

    columns: dict[str, Column]
    primary_key: tuple[str, ...]
    primary_key_name: str
    unique: dict[str, tuple[str, ...]] = {}
    indexes: dict[str, Index] = {}


class Schema(msgspec.Struct, frozen=True):
    """One release's tables."""

    release: str
    head: str
    """The alembic revision of this release."""
    tables: dict[str, Table]


@cache
def releases() -> dict[Version, str]:
    """The releases that ship, by (major, minor), oldest first."""
    names = (path.name.removesuffix(".json") for path in _folder().iterdir() if path.name.endswith(".json"))
    versions = sorted((tuple(map(int, name.split("."))), name) for name in names)
    return {(numbers[0], numbers[1]): name for numbers, name in versions}


@cache
def schema(version: Version) -> Schema:
    """The schema of a version; of one that does not ship, that of the newest release before it, else the oldest."""
    known = releases()
    nearest = max((have for have in known if have <= version), default=min(known))
    return msgspec.json.decode((_folder() / f"{known[nearest]}.json").read_bytes(), type=Schema)


def _folder() -> "resources.abc.Traversable":
    return resources.files(__package__) / "schemas"
