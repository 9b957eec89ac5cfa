"""Empty databases of one's own on the servers of this machine, and why there is none where there is none."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

POSTGRES = os.environ.get("AFSCOPE_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("AFSCOPE_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql")


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """The URL of an empty database: None for sqlite, which needs none. Skips when the server cannot be reached."""
    if kind == "sqlite":
        yield None
        return
    server = sa.make_url(POSTGRES if kind == "postgresql" else MARIADB)
    engine = sa.create_engine(
        server, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3}
    )
    name = f"afscope_test_{uuid.uuid4().hex[:12]}"
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        pytest.skip(f"no {kind} at {server.host}:{server.port}: {str(error.orig).splitlines()[0]}")
    with connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
