"""What differs between the databases that a replay can be: words, types, values, and manners of a session."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from afscope.model.clock import Micros, parse_time, to_datetime
from afscope.replay.airflow.schema import Column, Index, Table

# How long a statement of ours waits for somebody's lock before it is tried anew, in seconds.
LOCK_WAIT_S = 2
_MARIADB_TIMES: tuple[Micros, Micros] = (parse_time("1970-01-01T00:00:01Z"), parse_time("2038-01-19T03:14:07Z"))


class Dialect(ABC):
    """One kind of database."""

    name: str
    """As afscope says it to people."""
    types: ClassVar[dict[str, str]]
    """Column types by the names that the schemas have for them, except varchar."""
    mark = '"'

    def quoted(self, name: str) -> str:
        """An identifier."""
        return f"{self.mark}{name}{self.mark}"

    def create(self, name: str, table: Table) -> Iterator[str]:
        """The statements that create a table and its indexes."""
        lines = [f"{self.quoted(column)} {self.definition(spec)}" for column, spec in table.columns.items()]
        lines.append(f"CONSTRAINT {self.quoted(table.primary_key_name)} PRIMARY KEY ({self.listed(table.primary_key)})")
        lines += [
            f"CONSTRAINT {self.quoted(key)} UNIQUE ({self.listed(columns)})" for key, columns in table.unique.items()
        ]
        yield f"CREATE TABLE {self.quoted(name)} ({', '.join(lines)}){self.options}"
        for index, spec in table.indexes.items():
            over = f"CREATE INDEX {self.quoted(index)} ON {self.quoted(name)} ({self.listed(spec.columns)})"
            yield over + self.index_tail(spec)

    options = ""
    """What follows the columns of a table."""

    def listed(self, columns: tuple[str, ...]) -> str:
        """Identifiers, quoted."""
        return ", ".join(map(self.quoted, columns))

    def definition(self, column: Column) -> str:
        """Type, nullability and default of a column."""
        default = "" if column.default is None else f" DEFAULT {self.literal(column.default)}"
        return f"{self.type_of(column)}{default}{'' if column.null else ' NOT NULL'}"

    def type_of(self, column: Column) -> str:
        """The type of a column."""
        return self.types.get(column.kind, column.type)

    def literal(self, value: int | str | bool) -> str:
        """A default."""
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int) else f"'{value}'"

    def index_tail(self, index: Index) -> str:  # noqa: ARG002
        """What follows the columns of an index."""
        return ""

    def value(self, column: Column, value: Any) -> Any:
        """A value as the driver takes it; times come as microseconds."""
        if value is not None and column.kind in ("timestamp", "timestamptz"):
            return self.time(column, value)
        return value

    @abstractmethod
    def time(self, column: Column, at: Micros) -> Any:
        """A time as the driver takes it."""

    @property
    @abstractmethod
    def connect(self) -> dict[str, Any]:
        """Arguments of the driver's connect."""

    settings: tuple[str, ...] = ()
    """Statements at the beginning of each of our sessions."""
    claim = ""
    """The query that takes this database for this session, true if nobody else has it; empty where none can."""


class PostgreSQL(Dialect):
    """PostgreSQL, as Airflow's migrations leave it."""

    name = "PostgreSQL"
    types: ClassVar = {
        "int4": "integer",
        "int8": "bigint",
        "bool": "boolean",
        "float8": "double precision",
        "timestamptz": "timestamp with time zone",
        "timestamp": "timestamp without time zone",
    }
    settings = (f"SET lock_timeout = {LOCK_WAIT_S * 1000}",)
    claim = "SELECT pg_try_advisory_lock(hashtext('afscope_replay'))"

    def definition(self, column: Column) -> str:
        """An id of its own is a serial."""
        return "serial NOT NULL" if column.serial else super().definition(column)

    def index_tail(self, index: Index) -> str:
        """Carried columns and the condition."""
        include = f" INCLUDE ({self.listed(index.include)})" if index.include else ""
        return include + _where(index)

    def time(self, column: Column, at: Micros) -> datetime:
        """With a zone only where the column has one: the session's zone must not matter."""
        moment = to_datetime(at)
        return moment if column.kind == "timestamptz" else moment.replace(tzinfo=None)

    @property
    def connect(self) -> dict[str, Any]:
        """A server that is not there is told soon."""
        return {"connect_timeout": 10, "application_name": "afscope replay"}


class MariaDB(Dialect):
    """MariaDB and MySQL. Times are kept in UTC by the session's zone."""

    name = "MariaDB"
    mark = "`"
    types: ClassVar = {
        "int4": "int",
        "int8": "bigint",
        "bool": "tinyint(1)",
        "bytea": "blob",
        "float8": "float",
        "jsonb": "json",
        "timestamptz": "timestamp(6)",
        "timestamp": "datetime",
    }
    options = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
    settings = (
        "SET time_zone = '+00:00'",
        f"SET SESSION lock_wait_timeout = {LOCK_WAIT_S}, SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}",
    )
    claim = "SELECT GET_LOCK(CONCAT('afscope_replay.', LEFT(DATABASE(), 40)), 0)"

    def definition(self, column: Column) -> str:
        """A timestamp says that it may be null; a text that is compared bytewise says so."""
        if column.serial:
            return "int NOT NULL AUTO_INCREMENT"
        if column.bytewise:
            kind = f"{column.type} CHARACTER SET utf8mb3 COLLATE utf8mb3_bin"
            return kind + super().definition(column).removeprefix(column.type)
        return super().definition(column) + (" NULL" if column.null else "")

    def literal(self, value: int | str | bool) -> str:
        """Booleans are numbers."""
        return super().literal(int(value) if isinstance(value, bool) else value)

    def time(self, column: Column, at: Micros) -> datetime:
        """Naive UTC; a TIMESTAMP has an end, which a rebased replay can reach."""
        if column.kind == "timestamptz":
            at = min(max(at, _MARIADB_TIMES[0]), _MARIADB_TIMES[1])
        return to_datetime(at).replace(tzinfo=None)

    @property
    def connect(self) -> dict[str, Any]:
        """A server that is not there is told soon."""
        return {"connect_timeout": 10, "charset": "utf8mb4"}


class SQLite(Dialect):
    """A file. Times are text without a zone, as Airflow writes them."""

    name = "SQLite"
    types: ClassVar = {
        "int4": "INTEGER",
        "int8": "BIGINT",
        "bool": "BOOLEAN",
        "bytea": "BLOB",
        "float8": "FLOAT",
        "json": "JSON",
        "jsonb": "JSON",
        "text": "TEXT",
        "timestamp": "DATETIME",
        "timestamptz": "TIMESTAMP",
        "uuid": "CHAR(32)",
    }
    settings = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")

    def type_of(self, column: Column) -> str:
        """In capitals."""
        return super().type_of(column).upper()

    def literal(self, value: int | str | bool) -> str:
        """Booleans are numbers."""
        return super().literal(int(value) if isinstance(value, bool) else value)

    def index_tail(self, index: Index) -> str:
        """The condition."""
        return _where(index)

    def value(self, column: Column, value: Any) -> Any:
        """A UUID is its 32 digits."""
        if column.kind == "uuid" and isinstance(value, str):
            return value.replace("-", "")
        return super().value(column, value)

    def time(self, column: Column, at: Micros) -> str:  # noqa: ARG002
        """2026-11-23 07:10:59.032761."""
        return to_datetime(at).strftime("%Y-%m-%d %H:%M:%S.%f")

    @property
    def connect(self) -> dict[str, Any]:
        """How long a locked file is waited for."""
        return {"timeout": LOCK_WAIT_S}


def _where(index: Index) -> str:
    return "" if index.state is None else f" WHERE state = '{index.state}'"


DIALECTS: dict[str, Dialect] = {
    "postgresql": PostgreSQL(),
    "mysql": MariaDB(),
    "mariadb": MariaDB(),
    "sqlite": SQLite(),
}
"""By the backend names of SQLAlchemy."""
