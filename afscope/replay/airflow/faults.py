"""Trouble on demand in the database that a replay serves: a locked table, cut connections, refused logins.

Each takes the URL of somebody who may do this: a superuser of PostgreSQL, one with the SUPER or CONNECTION ADMIN
privilege in MariaDB. SQLite has one fault only, the lock, and it stops writers alone: in WAL mode readers go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from afscope.replay.airflow.target import normal_url

# SQLAlchemy would begin a transaction of its own before these.
_AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}
_LOCK = {
    "postgresql": ("BEGIN", "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
    "mysql": ("LOCK TABLES {table} WRITE",),
    "sqlite": ("BEGIN EXCLUSIVE",),
}
_UNLOCK = {"postgresql": "ROLLBACK", "mysql": "UNLOCK TABLES", "sqlite": "ROLLBACK"}


@contextmanager
def locked(url: str, table: str = "task_instance") -> Iterator[None]:
    """Nobody else reads or writes the table meanwhile (SQLite: nobody writes the database)."""
    with _connected(url) as connection:
        for statement in _LOCK[connection.dialect.name]:
            connection.execute(text(statement.format(table=table)))
        try:
            yield
        finally:
            connection.execute(text(_UNLOCK[connection.dialect.name]))


def cut_connections(url: str, user: str = "") -> int:
    """Ends the other sessions in this database, or those of one user, the replay's own included; returns how many.

    Raises ValueError for SQLite, which has no sessions.
    """
    with _connected(url) as connection:
        match connection.dialect.name:
            case "postgresql":
                query = (
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND CAST(:user AS text) IN ('', CAST(usename AS text))"
                )
                return int(connection.scalar(text(query), {"user": user}) or 0)
            case "mysql":
                query = (
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = DATABASE() AND id <> CONNECTION_ID() AND :user IN ('', user)"
                )
                sessions = connection.scalars(text(query), {"user": user}).all()
                for session in sessions:
                    connection.execute(text(f"KILL {int(session)}"))
                return len(sessions)
    raise ValueError("SQLite has no sessions that could be ended")


@contextmanager
def locked_out(url: str, user: str, host: str = "%") -> Iterator[None]:
    """The user's password is another one meanwhile; in PostgreSQL, which may trust everybody, it may not log in.

    Sessions that are open stay so: see `cut_connections`. Raises ValueError for SQLite, which knows no users.
    """
    with _connected(url) as connection:
        match connection.dialect.name:
            case "postgresql":
                name = connection.dialect.identifier_preparer.quote(user)
                refuse, allow = f"ALTER ROLE {name} NOLOGIN", f"ALTER ROLE {name} LOGIN"
            case "mysql":
                made = str(
                    connection.execute(text("SHOW CREATE USER :user@:host"), {"user": user, "host": host}).scalar()
                )
                allow = made.replace("CREATE USER", "ALTER USER", 1).replace(":", r"\:")
                refuse = "ALTER USER :user@:host IDENTIFIED BY 'rotated'"
            case _:
                raise ValueError("SQLite knows no users")
        connection.execute(text(refuse), {"user": user, "host": host})
    try:
        yield
    finally:
        with _connected(url) as connection:  # another one: the first may have been cut meanwhile
            connection.execute(text(allow))


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(normal_url(url), poolclass=NullPool)
    with engine.connect().execution_options(**_AUTOCOMMIT) as connection:
        yield connection
