"""An Airflow metadata DB to play with: the real tables of any release, on SQLite, PostgreSQL or MariaDB."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from afscope.capture.airflow.login import Login, parse
from afscope.model.clock import Micros
from afscope.normalize.airflow.versions import Version
from afscope.replay.airflow.dialects import DIALECTS
from afscope.replay.airflow.schema import Column, schema
from afscope.replay.airflow.target import normal_url

KINDS = ("sqlite", "postgresql", "mariadb")
_FILLERS: dict[str, Any] = {"varchar": "", "text": "", "int4": 0, "int8": 0, "bool": False, "json": "{}", "jsonb": "{}"}
_KEY = ("dag_id", "run_id", "task_id", "map_index")


class Lab:
    """Writes rows as Airflow would: what a column needs and a test does not care for is filled in."""

    def __init__(self, url: str, version: Version = (2, 10), *, tables: Iterable[str] | None = None) -> None:
        self.url = url
        self._url = normal_url(url)
        self.dialect = DIALECTS[self._url.get_backend_name()]
        self.engine = sa.create_engine(self._url, poolclass=sa.NullPool)
        self._schema = schema(version)
        self._ids: dict[str, int] = {}
        wanted = self._schema.tables.keys() if tables is None else set(tables)
        with self.engine.begin() as connection:
            for statement in self.dialect.settings[:1] if self.kind == "sqlite" else ():
                connection.exec_driver_sql(statement)
            for name in self._schema.tables.keys() & wanted:
                for statement in self.dialect.create(name, self._schema.tables[name]):
                    connection.exec_driver_sql(statement)
        if "alembic_version" in wanted:
            self.execute("INSERT INTO alembic_version (version_num) VALUES (:head)", head=self._schema.head)

    @property
    def kind(self) -> str:
        """postgresql, mysql or sqlite."""
        return self._url.get_backend_name()

    def login(self) -> Login:
        """For a collector."""
        return parse(self.url)

    def execute(self, sql: str, **values: Any) -> None:
        """Any statement."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(sql), values)

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What anybody else reads."""
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(sql), values)]

    # Rows

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        """New rows."""
        columns = self._schema.tables[table].columns
        full = [{name: self._filled(table, name, column, row) for name, column in columns.items()} for row in rows]
        names = ", ".join(map(self.dialect.quoted, columns))
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    f"INSERT INTO {self.dialect.quoted(table)} ({names})"
                    f" VALUES ({', '.join(f':{name}' for name in columns)})"
                ),
                full,
            )

    def update(self, table: str, key: dict[str, Any], **values: Any) -> None:
        """Changes the row with this key."""
        columns = self._schema.tables[table].columns
        given = {name: self.dialect.value(columns[name], value) for name, value in values.items()}
        changes = ", ".join(f"{self.dialect.quoted(name)} = :{name}" for name in given)
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE {self.dialect.quoted(table)} SET {changes} WHERE {self._same(key)}"),
                {**given, **{f"k_{name}": value for name, value in key.items()}},
            )

    def delete(self, table: str, **key: Any) -> None:
        """Removes rows."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(f"DELETE FROM {self.dialect.quoted(table)} WHERE {self._same(key)}"),
                {f"k_{name}": value for name, value in key.items()},
            )

    def run(self, run_id: str = "r1", state: str = "running", **more: Any) -> dict[str, Any]:
        """A new DAG run; returns its key."""
        self.insert("dag_run", {"dag_id": "etl", "run_id": run_id, "state": state, "run_type": "manual", **more})
        return {"dag_id": "etl", "run_id": run_id}

    def task(self, task_id: str = "t1", state: str | None = "queued", **more: Any) -> dict[str, Any]:
        """A new task instance; returns its key."""
        row = _task(task_id, state, more)
        self.insert("task_instance", row)
        columns = self._schema.tables["task_instance"].columns
        return {name: row[name] for name in _KEY if name in columns}

    def mapped(self, count: int, task_id: str, state: str) -> dict[str, Any]:
        """New task instances of one mapped task, in one statement; returns what their keys have in common."""
        self.insert("task_instance", *(_task(task_id, state, {"map_index": n}) for n in range(count)))
        return {"dag_id": "etl", "run_id": "r1", "task_id": task_id}

    def move(self, key: dict[str, Any], state: str | None, **more: Any) -> None:
        """A task instance or a DAG run goes to another state."""
        self.update("task_instance" if "task_id" in key else "dag_run", key, state=state, **more)

    def _same(self, key: dict[str, Any]) -> str:
        return " AND ".join(f"{self.dialect.quoted(name)} = :k_{name}" for name in key) or "1 = 1"

    def _filled(self, table: str, name: str, column: Column, row: dict[str, Any]) -> Any:
        if name in row:
            return self.dialect.value(column, row[name])
        if name == "id" and column.kind.startswith("int"):
            self._ids[table] = self._ids.get(table, 0) + 1
            return self._ids[table]
        if column.null:
            return None
        if column.default is not None:
            return column.default
        if column.kind == "uuid":
            self._ids[table] = self._ids.get(table, 0) + 1
            return self.dialect.value(column, f"00000000-0000-7000-8000-{self._ids[table]:012d}")
        if column.kind in ("timestamp", "timestamptz"):
            self._ids[name] = self._ids.get(name, 0) + 1  # dag_run has unique dates
            return self.dialect.value(column, _A_TIME + self._ids[name] * 1_000_000)
        return _FILLERS[column.kind]


def _task(task_id: str, state: str | None, more: dict[str, Any]) -> dict[str, Any]:
    row = {"dag_id": "etl", "run_id": "r1", "task_id": task_id, "map_index": -1, "state": state, "try_number": 1}
    return {**row, "pool": "default_pool", "pool_slots": 1, "queue": "default", **more}


_A_TIME: Micros = 1_799_000_000_000_000
