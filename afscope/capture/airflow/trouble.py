"""How the metadata DB says no. Texts are one line and hold no password."""

import re
from collections.abc import Iterable

import sqlalchemy as sa

from afscope.errors import CannotConnect

_MAX_WORDS = 300
GRANTS = "grant SELECT to this role; docs/capture-airflow.md has the SQL"


class Unreachable(CannotConnect):
    """No answer: refused, timed out, name unknown, a connection that was cut, a server that starts or stops."""


class Stopped(Unreachable):
    """No failure: the recording ended while an answer was awaited."""


class LoginRefused(CannotConnect):
    """Wrong password, unknown role, no pg_hba.conf entry, unknown database: what is known of the DB is wrong."""


class NotGranted(CannotConnect):
    """The role may not read a table."""


class SchemaMoved(CannotConnect):
    """A table or a column is not there (any more), or of another type than it was when a statement was prepared:
    somebody migrates, or this is another database."""


class TooSlow(CannotConnect):
    """A statement ran into its timeout; the connection is still good."""


class Locked(CannotConnect):
    """A statement waited too long for a lock; the connection is still good."""


class NotAirflow(CannotConnect):
    """The DB answers, but it is no metadata DB of an Airflow that can be recorded."""


# SQLSTATE of PostgreSQL, error numbers of MySQL and MariaDB.
_BY_CODE: dict[str | int, type[CannotConnect]] = {
    "28P01": LoginRefused, "28000": LoginRefused, "3D000": LoginRefused,
    1044: LoginRefused, 1045: LoginRefused, 1049: LoginRefused, 1698: LoginRefused, 1820: LoginRefused,
    "42501": NotGranted, 1142: NotGranted, 1143: NotGranted,
    "42P01": SchemaMoved, "42703": SchemaMoved, "3F000": SchemaMoved, "0A000": SchemaMoved,
    1146: SchemaMoved, 1054: SchemaMoved,
    "57014": TooSlow, 1969: TooSlow, 3024: TooSlow, 1317: TooSlow, "55P03": Locked, 1205: Locked,
}  # fmt: skip
# libpq gives no SQLSTATE for what the server says before the session exists; PgBouncer and SQLite never do.
_BY_WORDS: tuple[tuple[re.Pattern[str], type[CannotConnect]], ...] = (
    (re.compile(r"authentication failed|pg_hba\.conf|no such (user|database)|(role|database) \"[^\"]*\" does not exist"
                r"|permission denied for database|no password supplied|SASL", re.IGNORECASE), LoginRefused),
    (re.compile(r"no such (table|column)"), SchemaMoved),
    (re.compile(r"interrupted"), TooSlow),
    (re.compile(r"database( table)? is locked"), Locked),
)  # fmt: skip
_HINTS = {
    LoginRefused: "check user, password and database name of the URL",
    NotGranted: GRANTS,
}


def told(error: BaseException, secrets: Iterable[str], where: str) -> CannotConnect:
    """An error of SQLAlchemy or of a driver as ours: what kind it is, and its first line without secrets."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    code: object = getattr(cause, "sqlstate", None)
    words = str(cause)
    if cause.args and isinstance(cause.args[0], int):  # MySQL: its own numbers tell more than its SQLSTATE
        code, words = cause.args[0], str(cause.args[-1])
    kind = _BY_CODE.get(code) if isinstance(code, (str, int)) else None
    kind = kind or next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), None)
    if kind is None:
        kind = Unreachable if _is_loss(error, code) else TooSlow if code == "25P03" else CannotConnect
    return kind(f"{where}: {_line(words, secrets) or type(cause).__name__}", _HINTS.get(kind, ""))


def _is_loss(error: BaseException, code: object) -> bool:
    """Whether the connection is gone, or never was: class 08 and 57P, MySQL's 2xxx, or no word from a server at all."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(code, str):
        return code.startswith(("08", "57P", "53"))
    if isinstance(code, int):
        return 2000 <= code < 3000 or code in (1040, 1053, 1203, 1927)
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, OSError))


def _line(words: str, secrets: Iterable[str]) -> str:
    line = " ".join(words.split())
    for secret in secrets:
        line = line.replace(secret, "***")
    return line[:_MAX_WORDS]
