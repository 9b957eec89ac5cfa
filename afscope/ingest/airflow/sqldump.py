"""Dumps that are SQL: pg_dump (COPY, --inserts, --column-inserts), mysqldump and mariadb-dump, SQLite's .dump.

Only rows of the wanted tables are taken apart. Times of mysqldump are UTC, as it sets the session's zone by itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from afscope.ingest.airflow.staging import WANTED, Staging
from afscope.ingest.lines import lines
from afscope.ingest.sink import Findings

_NAME = r'(?:[`"]?\w+[`"]?\.)?[`"]?(?P<table>\w+)[`"]?'
_COPY = re.compile(rf"COPY {_NAME} \((?P<columns>[^)]*)\) FROM stdin;", re.I)
_INSERT = re.compile(
    rf"(?:INSERT(?: IGNORE)?|REPLACE) INTO {_NAME}\s*(?:\((?P<columns>[^)]*)\))?\s*(?:OVERRIDING \w+ VALUE )?VALUES\s*",
    re.I,
)
_CREATE = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_NAME}\s*\((?P<rest>.*)", re.I)
_COLUMN = re.compile(r'\s*,?\s*(?:`(?P<a>\w+)`|"(?P<b>\w+)"|(?P<c>\w+))(?=[\s,);]|$)', re.I)
_NO_COLUMN = frozenset(
    ("constraint", "primary", "key", "unique", "foreign", "check", "index", "fulltext", "spatial", "exclude", "like")
)
_MARKS = re.compile(
    r"-- (?:PostgreSQL database dump|MySQL dump|MariaDB dump|Dumped by pg_dump|Host: )|/\*!\d+ SET |/\*M!\d+|"
    r"PRAGMA foreign_keys|BEGIN TRANSACTION;|COPY \S+ \(.*\) FROM stdin;|(?:INSERT|REPLACE) INTO |CREATE TABLE ",
    re.I,
)
# One value of a VALUES list, in standard SQL and in MySQL's, where a backslash escapes.
_STANDARD = re.compile(
    r"\s*(?:E?'(?P<s>(?:[^']|'')*+)'(?:::[\w ]+)?|(?P<w>[^\s',()]+(?:\([^()']*\))?))\s*(?P<end>[,)])", re.S
)
_MYSQL = re.compile(
    r"\s*(?:(?:_binary )?'(?P<s>(?:[^'\\]|''|\\.)*+)'|(?P<w>[^\s',()]+(?:\([^()']*\))?))\s*(?P<end>[,)])", re.S
)
_ESCAPE = re.compile(r"\\(.)", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "Z": "\x1a", "b": "\b", "f": "\f", "v": "\v"}
# A statement longer than this has lost its end.
MAX_STATEMENT = 128 << 20
_LOOKED_AT = 200


def sniff(path: Path) -> bool:
    """Whether one of the first lines is as a dump of a database has them."""
    for number, line in lines(path, lambda _: None):
        if number > _LOOKED_AT:
            return False
        if len(line) < 1 << 16 and _MARKS.match(line.decode("utf-8", "replace")):
            return True
        if line.startswith((b"INSERT INTO", b"COPY ")):
            return True
    return False


def load(path: Path, staging: Staging, found: Findings) -> None:
    """Stages the rows of the wanted tables; what does not parse is noted with its line."""
    _Reader(path, staging, found).read()


class _Reader:
    """Reads one dump line by line; of a statement that goes on it keeps no more than it needs."""

    def __init__(self, path: Path, staging: Staging, found: Findings) -> None:
        self._path, self._staging, self._found = path, staging, found
        self._lines = lines(path, found.note, exact=True)
        self._columns: dict[str, tuple[str, ...]] = {}
        self._mysql = False

    def read(self) -> None:
        for number, raw in self._lines:
            if raw.startswith((b"/*!", b"/*M!")) or b"MySQL dump" in raw[:40] or b"MariaDB dump" in raw[:40]:
                self._mysql = True
            head = raw[:4096].decode("utf-8", "replace")
            if match := _COPY.match(head):
                self._copy(match["table"], _names(match["columns"]))
            elif match := _INSERT.match(head):
                self._insert(number, raw, match["table"], match["columns"], match.end())
            elif match := _CREATE.match(head):
                self._create(match["table"], match["rest"], raw)

    # COPY

    def _copy(self, table: str, columns: tuple[str, ...]) -> None:
        wanted = table in WANTED
        if wanted:
            self._staging.see(table, columns)
        for number, raw in self._lines:
            if raw == b"\\.":
                return
            if not wanted:
                continue
            fields = raw.decode("utf-8", "replace").split("\t")
            if len(fields) != len(columns):
                self._found.note(
                    f"{self._path}:{number}: {len(fields)} fields where {table} has {len(columns)} columns"
                )
                continue
            self._staging.put(table, dict(zip(columns, map(_copied, fields), strict=True)))
        self._found.note(f"{self._path}: ends in the middle of table {table}; its rows up to there are kept")

    # CREATE TABLE, which names the columns of an INSERT that does not

    def _create(self, table: str, rest: str, raw: bytes) -> None:
        if table not in WANTED:
            return
        names: list[str] = []
        if raw.rstrip().endswith(b";"):
            names = [name for part in _parts(rest) if (name := _column(part))]
        else:
            if rest.strip() and (name := _column(rest)):
                names.append(name)
            for _, line in self._lines:
                text = line.decode("utf-8", "replace")
                if name := _column(text):
                    names.append(name)
                if text.startswith(")") or text.rstrip().endswith(";"):
                    break
        self._columns[table] = tuple(names)

    # INSERT

    def _insert(self, number: int, raw: bytes, table: str, named: str | None, at: int) -> None:
        if table not in WANTED:
            return
        columns = _names(named) if named else self._columns.get(table)
        if columns is None:
            self._found.note(
                f"{self._path}:{number}: INSERT INTO {table} without columns, and no CREATE TABLE before it"
            )
            return
        self._staging.see(table, columns)
        # `at` counts characters of the decoded head, all of which are ASCII
        text, begins = raw.decode("utf-8", "replace"), number
        while True:
            at, whole = self._tuples(table, columns, text, at, begins)
            if whole:
                return
            line = next(self._lines, None)
            if line is None or len(text) - at > MAX_STATEMENT:
                self._found.note(
                    f"{self._path}:{begins}: INSERT INTO {table} has no end; its rows up to there are kept"
                )
                return
            text, at = text[at:] + "\n" + line[1].decode("utf-8", "replace"), 0

    def _tuples(self, table: str, columns: tuple[str, ...], text: str, at: int, line: int) -> tuple[int, bool]:
        """Stages the whole tuples from `at` on: (where it stopped, whether the statement is over)."""
        form = _MYSQL if self._mysql else _STANDARD
        while True:
            while at < len(text) and text[at] in " ,\n\r\t":
                at += 1
            if at >= len(text):
                return at, False
            if text[at] != "(":
                return at, True
            values: list[Any] = []
            here = at + 1
            while (match := form.match(text, here)) is not None:
                values.append(self._value(match))
                here = match.end()
                if match["end"] == ")":
                    break
            else:
                return at, False
            if len(values) == len(columns):
                self._staging.put(table, dict(zip(columns, values, strict=True)))
            else:
                self._found.note(f"{self._path}:{line}: {len(values)} values where {table} has {len(columns)} columns")
            at = here

    def _value(self, match: re.Match[str]) -> Any:
        text = match["s"]
        if text is None:
            word = match["w"]
            return None if word.upper() == "NULL" else word
        text = text.replace("''", "'")
        return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), text) if self._mysql and "\\" in text else text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('`"') for name in text.split(","))


def _column(text: str) -> str | None:
    match = _COLUMN.match(text)
    name = match and (match["a"] or match["b"] or match["c"])
    quoted = match is not None and match["c"] is None
    return None if not name or (not quoted and name.lower() in _NO_COLUMN) else name


def _parts(text: str) -> Iterator[str]:
    """The parts of a table's definition on one line, split at commas outside of brackets."""
    depth = begins = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            yield text[begins:at]
            begins = at + 1
    yield text[begins:]


def _copied(field: str) -> str | None:
    if field == "\\N":
        return None
    return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[1]), field) if "\\" in field else field
