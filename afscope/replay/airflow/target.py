"""Where a replayed database goes: the URLs people write, the ones SQLAlchemy takes, and a file of our own."""

import tempfile
from pathlib import Path
from typing import Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from afscope.errors import CannotReplay
from afscope.replay.airflow.dialects import DIALECTS, Dialect

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
_DRIVERS |= {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}


class Target:
    """A database to be: a file of our own in a temporary folder unless a URL says otherwise."""

    def __init__(self, url: URL) -> None:
        """Use `of`."""
        self.url = url
        self.dialect: Dialect = DIALECTS[url.get_backend_name()]
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._made: Path | None = None

    @classmethod
    def of(cls, text: str | None) -> Self:
        """Raises CannotReplay for what is no URL of PostgreSQL, MariaDB or an SQLite file."""
        if text is None:
            folder = tempfile.TemporaryDirectory(prefix="afscope-replay-")
            target = cls(URL.create("sqlite", database=str(Path(folder.name) / "airflow.db")))
            target._folder = folder
            return target
        target = cls(normal_url(text))
        if target.file is not None and not target.file.exists():
            target._made = target.file
        return target

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    @property
    def shown(self) -> str:
        """The URL for people: without its password, and without its query, where drivers take passwords too."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def disposable(self) -> bool:
        """Whether `forget` removes the whole database."""
        return self._folder is not None or self._made is not None

    def forget(self) -> None:
        """Removes the file if it was made for this replay. May be called more than once."""
        if self._folder is not None:
            self._folder.cleanup()
        if self._made is not None:
            for path in (self._made, *(self._made.with_name(self._made.name + tail) for tail in ("-wal", "-shm"))):
                path.unlink(missing_ok=True)


def normal_url(text: str) -> URL:
    """The URL with the drivers that afscope brings, whatever driver Airflow uses. Raises CannotReplay."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # their messages would repeat the text, password and all
        raise CannotReplay("the database URL is no URL", "write postgresql://user@host/name") from error
    driver = _DRIVERS.get(url.drivername.partition("+")[0])
    if driver is None:
        raise CannotReplay(
            f"{url.drivername} is no database that Airflow's tables can be served in",
            "PostgreSQL, MariaDB and SQLite are",
        )
    if driver.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise CannotReplay("an SQLite database in memory can be read by nobody else", "name a file: sqlite:////path")
    if not url.database:
        raise CannotReplay("the database URL names no database", "write postgresql://user@host/name")
    return url.set(drivername=driver)
