"""The URL of the metadata DB: as Airflow writes it, for the drivers that are here."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

import sqlalchemy as sa
from psycopg.pq import Conninfo

from afscope.errors import CannotConnect

# Any driver that Airflow may use for a database, to the one that is installed here.
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql",
            "mariadb": "mysql+pymysql", "sqlite": "sqlite"}  # fmt: skip
# Set by the session itself: a URL must not weaken them.
_OURS = frozenset(("application_name", "prepare_threshold", "autocommit", "init_command"))
_MYSQL_KNOWN = frozenset((
    "charset", "collation", "unix_socket", "connect_timeout", "read_timeout", "write_timeout", "ssl_ca", "ssl_capath",
    "ssl_cert", "ssl_key", "ssl_cipher", "ssl_check_hostname", "ssl_disabled", "ssl_verify_cert",
    "ssl_verify_identity", "ssl_mode", "ssl-mode",
))  # fmt: skip
# mysqlclient's ssl_mode in PyMySQL's words.
_SSL_MODES: dict[str, dict[str, Any]] = {
    "DISABLED": {"ssl_disabled": True},
    "PREFERRED": {},
    "REQUIRED": {"ssl": {"verify_mode": "none", "check_hostname": False}},
    "VERIFY_CA": {"ssl": {"verify_mode": "required", "check_hostname": False}},
    "VERIFY_IDENTITY": {"ssl": {"verify_mode": "required", "check_hostname": True}},
}
_SSL_FILES = {"ssl_ca": "ca", "ssl_capath": "capath", "ssl_cert": "cert", "ssl_key": "key", "ssl_cipher": "cipher"}


@dataclass(frozen=True, slots=True)
class Login:
    """Where the DB is and who we are there. Neither repr nor `where` hold a password."""

    url: sa.URL = field(repr=False)
    """With the driver that is installed here, and only query parameters that it knows."""
    connect_args: dict[str, Any] = field(default_factory=dict, repr=False)
    """What its parameters mean that cannot be said in the URL."""
    schema: str = ""
    """Where Airflow's tables are; empty: where the role's search path finds them."""
    notes: tuple[str, ...] = ()
    """What was left out of the URL, for people."""

    @property
    def backend(self) -> str:
        """postgresql, mysql or sqlite."""
        return self.url.get_backend_name()

    @property
    def where(self) -> str:
        """For people: "postgresql airflow at db:5432"."""
        if self.backend == "sqlite":
            return f"sqlite {self.url.database}"
        host = self.url.host or _text(self.url.query.get("host") or self.url.query.get("unix_socket")) or "localhost"
        port = f":{self.url.port}" if self.url.port else ""
        return f"{self.backend} {self.url.database or '(default database)'} at {host}{port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text, the longest first."""
        passwords = [str(value) for value in (self.url.password, self.url.query.get("password")) if value]
        return tuple(sorted({*passwords, *map(quote_plus, passwords)}, key=len, reverse=True))


def parse(text: str, schema: str = "") -> Login:
    """A URL as Airflow has it in sql_alchemy_conn. Raises CannotConnect, which does not repeat the URL."""
    try:
        url = sa.make_url(text.strip())
        backend, _, _ = url.drivername.partition("+")
    except (sa.exc.ArgumentError, ValueError):
        raise CannotConnect(
            "the URL of the Airflow DB cannot be read", "expected DIALECT://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    if backend not in _DRIVERS:
        raise CannotConnect(
            f"an Airflow DB on {backend!r} cannot be recorded", "PostgreSQL, MySQL, MariaDB, SQLite can"
        )
    url = url.set(drivername=_DRIVERS[backend])
    if url.get_backend_name() == "postgresql":
        return _postgresql(url, schema)
    return _mysql(url, schema) if url.get_backend_name() == "mysql" else _sqlite(url)


def replace_address(login: Login, host: str, port: int) -> Login:
    """The same DB through a tunnel that ends at `host`:`port`.

    With PostgreSQL the name in the server's certificate is still checked against the URL's own host.
    """
    if login.backend == "sqlite":
        return login
    query = {
        key: value for key, value in login.url.query.items() if key not in ("host", "hostaddr", "port", "unix_socket")
    }
    named = login.url.host or ""
    if login.backend == "postgresql" and named and str(query.get("sslmode", "")).startswith("verify"):
        return replace(login, url=login.url.set(port=port, query={**query, "hostaddr": host}))
    return replace(login, url=login.url.set(host=host, port=port, query=query))


def _postgresql(url: sa.URL, schema: str) -> Login:
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    query = dict(url.query)
    if "ssl" in query:  # asyncpg's name
        query.setdefault("sslmode", query.pop("ssl"))
    kept = {key: value for key, value in query.items() if key in known - _OURS}
    return Login(url.set(query=kept), schema=schema, notes=tuple(_dropped(query, kept)))


def _mysql(url: sa.URL, schema: str) -> Login:
    query = {key: _text(value) for key, value in url.query.items()}
    kept = {key: value for key, value in query.items() if key in _MYSQL_KNOWN}
    args: dict[str, Any] = {}
    mode = kept.pop("ssl_mode", "") or kept.pop("ssl-mode", "")
    if mode:
        meaning = _SSL_MODES.get(mode.upper())
        if meaning is None:
            raise CannotConnect(f"ssl_mode {mode!r} of the Airflow DB's URL is not known", ", ".join(_SSL_MODES))
        args = {**meaning}
        if "ssl" in args:
            files = {ours: kept.pop(theirs) for theirs, ours in _SSL_FILES.items() if theirs in kept}
            args["ssl"] = {**args["ssl"], **files}
    for flag in ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"):
        if flag in kept:
            args[flag] = kept.pop(flag).lower() in ("1", "true", "yes", "on")
    query.pop("ssl_mode", None)
    query.pop("ssl-mode", None)
    return Login(url.set(query=kept), args, schema, tuple(_dropped(query, {**kept, **args})))


def _sqlite(url: sa.URL) -> Login:
    if not url.database or url.database == ":memory:":
        raise CannotConnect("an Airflow DB in memory cannot be recorded: it lives in Airflow's own process")
    return Login(url.set(query={}), notes=tuple(_dropped(dict(url.query), {})))


def _dropped(given: dict[str, Any], kept: dict[str, Any]) -> Iterator[str]:
    """Names only: a value might be a secret."""
    for name in sorted(given.keys() - kept.keys()):
        yield f"parameter {name!r} of the Airflow DB's URL is not used"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)
