"""A capture in a notebook: `afscope.open("x.afscope").table("pods")` as Arrow, pandas or a DuckDB relation.

Nothing is read before it is asked for. Tables of the capture come without analysis; the facts that analyzers build,
the verdict and the waits cost one analysis, at the first of them.
"""

import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from afscope.engine.clocks import measured
from afscope.engine.investigation import Investigation
from afscope.engine.session import Session, quoted
from afscope.errors import QueryError
from afscope.store.reader import Capture
from afscope.store.schema import TABLES

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from afscope.model.finding import Analysis
    from afscope.model.timeline import AttemptWait, Episode

_PREVIEW = 10


class Rows:
    """Rows that are not read yet: a table or the result of a query. Times are UTC."""

    def __init__(self, session: Session, sql: str) -> None:
        self._session, self.query = session, sql

    def relation(self) -> "duckdb.DuckDBPyRelation":
        """A lazy DuckDB relation; it lives as long as the capture is open."""
        return self._session.relation(self.query)

    def arrow(self) -> "pa.Table":
        """A pyarrow table."""
        return self._session.arrow(self.query)

    def pandas(self) -> "pd.DataFrame":
        """A pandas frame."""
        frame: pd.DataFrame = self.arrow().to_pandas()
        return frame

    def __len__(self) -> int:
        return len(self.relation())

    def _repr_html_(self) -> str:
        """The first rows, for a notebook; text out of the capture stays text."""
        shown = self._session.run(f"FROM ({self.query}) LIMIT {_PREVIEW}")
        lines = ["".join(_cell("th", name) for name in shown.columns)]
        lines += ["".join(_cell("td", value) for value in row) for row in shown.rows]
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(tag: str, value: object) -> str:
    return f"<{tag}>{html.escape('' if value is None else str(value))}</{tag}>"


class OpenCapture:
    """An open capture; a context manager, or closed by `close`."""

    def __init__(self, path: Path | str, *, lang: str = "en", analyzers: Sequence[Path] = ()) -> None:
        self.path = Path(path)
        self._capture = Capture.open(self.path)
        self._lang, self._analyzers = lang, tuple(analyzers)
        self._opened: list[Any] = []

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the capture, whether they have rows or not."""
        return tuple(TABLES)

    def table(self, name: str) -> Rows:
        """A table of the capture, or a fact of the analyzers such as `attempts`, `waits` or `decisions`.

        Raises QueryError for a name that is neither.
        """
        if name in TABLES:
            return Rows(self._session, f"FROM {quoted(name)}")
        known = [row[0] for row in self.investigation.session.run("SELECT table_name FROM duckdb_tables()").rows]
        if name not in known:
            raise QueryError(f"no table {name!r}", f"there are: {', '.join(sorted(known))}")
        return Rows(self.investigation.session, f"FROM {quoted(name)}")

    def sql(self, query: str) -> Rows:
        """A query over tables and facts."""
        return Rows(self.investigation.session, query.strip().rstrip(";"))

    @cached_property
    def investigation(self) -> Investigation:
        """The analysis of the whole capture, made once."""
        opened = Investigation.open(self.path, lang=self._lang, analyzers=self._analyzers)
        self._opened.append(opened)
        return opened

    @property
    def analysis(self) -> "Analysis":
        """Verdict, findings, rulings."""
        return self.investigation.analysis

    def waits(self) -> "list[AttemptWait]":
        """Where each attempt's wait went."""
        return self.investigation.waits()

    def timeline(self) -> "list[Episode]":
        """The scaling episodes."""
        return self.investigation.timeline()

    def close(self) -> None:
        """Frees what was opened."""
        while self._opened:
            self._opened.pop().close()

    @cached_property
    def _session(self) -> Session:
        session = Session(self._capture, shifts=measured(self._capture).shifts())
        self._opened.append(session)
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(path: Path | str, *, lang: str = "en", analyzers: Sequence[Path] = ()) -> OpenCapture:  # noqa: A001
    """Opens a capture folder or its zip. Raises CaptureError and AnalyzerError."""
    return OpenCapture(path, lang=lang, analyzers=analyzers)
