"""Errors of a trigger's database, as KEDA quotes its drivers: SQLSTATE of PostgreSQL, numbers of MySQL, Go texts.

Classes of SQLSTATE: PostgreSQL manual, appendix A. Texts of KEDA: pkg/scalers/{postgresql,mysql,mssql}_scaler.go.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class SqlTrouble(StrEnum):
    """What stands behind a failed trigger, as far as its text tells."""

    QUERY = "query"
    RESULT = "result"
    AUTH = "auth"
    SETTINGS = "settings"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    CONNECTIONS = "connections_exhausted"
    LOCKED = "locked"
    TIMEOUT = "timeout"
    POOLER = "pooler"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SqlError:
    """`code` is the SQLSTATE or the MySQL error number, empty where the text has none."""

    trouble: SqlTrouble
    code: str
    text: str


_SQLSTATE = re.compile(r"\(?SQLSTATE (?P<code>[0-9A-Z]{5})\)?")
_MYSQL = re.compile(r"\bError (?P<code>\d{4})(?: \([0-9A-Z]{5}\))?:")
_STATES: tuple[tuple[str, SqlTrouble], ...] = (  # the longest prefix comes first
    ("26000", SqlTrouble.POOLER),
    ("42P05", SqlTrouble.POOLER),
    ("42501", SqlTrouble.AUTH),
    ("53300", SqlTrouble.CONNECTIONS),
    ("55P03", SqlTrouble.LOCKED),
    ("57014", SqlTrouble.TIMEOUT),
    ("40", SqlTrouble.LOCKED),
    ("28", SqlTrouble.AUTH),
    ("3D", SqlTrouble.SETTINGS),
    ("08", SqlTrouble.UNREACHABLE),
    ("57P", SqlTrouble.UNREACHABLE),
    ("53", SqlTrouble.UNREACHABLE),
    ("22", SqlTrouble.QUERY),
    ("42", SqlTrouble.QUERY),
)
_NUMBERS = {
    "1045": SqlTrouble.AUTH, "1044": SqlTrouble.AUTH, "1698": SqlTrouble.AUTH, "1142": SqlTrouble.AUTH,
    "1049": SqlTrouble.SETTINGS, "1040": SqlTrouble.CONNECTIONS, "1203": SqlTrouble.CONNECTIONS,
    "1226": SqlTrouble.CONNECTIONS, "1205": SqlTrouble.LOCKED, "1213": SqlTrouble.LOCKED,
    "3024": SqlTrouble.TIMEOUT, "1969": SqlTrouble.TIMEOUT, "1054": SqlTrouble.QUERY, "1064": SqlTrouble.QUERY,
    "1146": SqlTrouble.QUERY, "1305": SqlTrouble.QUERY,
}  # fmt: skip
_TEXTS: tuple[tuple[SqlTrouble, re.Pattern[str]], ...] = tuple(
    (trouble, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for trouble, pattern in (
        (SqlTrouble.RESULT, r"sql: Scan error|converting NULL|sql: no rows in result set"),
        (SqlTrouble.TLS, r"x509: |tls: |SSL is not enabled|tls error"),
        (
            SqlTrouble.AUTH,
            r"password authentication failed|failed SASL auth|Access denied|WRONGPASS|NOAUTH|no pg_hba\.conf entry"
            r"|login error|Exception \(403\)",
        ),
        (
            SqlTrouble.SETTINGS,
            r"error parsing \S+ metadata|missing required parameter|unable to set param|no \S+ given"
            r"|error resolving (?:secret|auth)|error trying to get secret",
        ),
        (SqlTrouble.CONNECTIONS, r"too many clients|too many connections|remaining connection slots"),
        (SqlTrouble.TIMEOUT, r"context deadline exceeded|context canceled|statement timeout|canceling statement"),
        (
            SqlTrouble.UNREACHABLE,
            r"dial (?:error|tcp)|connection refused|no such host|hostname resolving error|i/o timeout|no route to host"
            r"|connection reset|broken pipe|unexpected EOF|bad connection|server closed the connection"
            r"|the database system is (?:starting up|shutting down)|failed to connect",
        ),
        (SqlTrouble.POOLER, r"prepared statement .* (?:does not exist|already exists)"),
    )
)


def sql_error(text: str) -> SqlError | None:
    """What a driver's text says went wrong; None when it holds no sign of a database or its settings.

    A code wins over words: `FATAL: … (SQLSTATE 28P01)` inside `failed to connect` is a refused login.
    """
    if state := _SQLSTATE.search(text):
        code = state["code"]
        return SqlError(next((t for head, t in _STATES if code.startswith(head)), SqlTrouble.OTHER), code, text)
    if number := _MYSQL.search(text):
        return SqlError(_NUMBERS.get(number["code"], SqlTrouble.OTHER), number["code"], text)
    trouble = next((trouble for trouble, pattern in _TEXTS if pattern.search(text)), None)
    return None if trouble is None else SqlError(trouble, "", text)


_INSPECT = re.compile(r"error inspecting (?P<driver>\S+): (?P<why>.*)", re.DOTALL)
_CONNECT = re.compile(r"error establishing (?:connection to )?(?P<driver>\S+?)(?: connection)?: (?P<why>.*)", re.DOTALL)
_PARSE = re.compile(r"error parsing (?P<driver>\S+) metadata: (?P<why>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TriggerFailure:
    """A KEDAScalerFailed event: at which `stage` (query, connect, metadata, other) which driver failed, and why."""

    stage: str
    driver: str
    why: str
    sql: SqlError | None


def trigger_failure(text: str) -> TriggerFailure:
    """The message of KEDAScalerFailed (or the `error` field of the operator's log line), whatever it says."""
    for stage, pattern in (("metadata", _PARSE), ("connect", _CONNECT), ("query", _INSPECT)):
        if match := pattern.search(text):
            return TriggerFailure(stage, match["driver"], match["why"], sql_error(text))
    return TriggerFailure("other", "", text, sql_error(text))
