"""How often the metadata DB is asked, how long it may take to answer, and what asking may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollOptions:
    """Times are seconds of the recorder's clock where they say how often, real seconds where they are deadlines."""

    interval_s: float = 2.0
    """How often the server is asked whether task instances that are not over moved; those that did are read at once,
    and DAG runs with them."""
    live_every_s: float = 5.0
    """Pools, jobs, the audit log, Celery's results; DAG runs and task instances even if nothing seems to move."""
    whole_every_s: float = 30.0
    """All DAGs."""
    schema_every_s: float = 300.0
    """The alembic head, and which tables and columns exist and may be read."""
    clock_every_s: float = 60.0
    """The server's clock."""
    quiet_every_s: float = 30.0
    """A row of which only a heartbeat moved is written this often. MySQL: also how often all rows are read."""
    statement_s: float = 2.0
    """The server ends a statement of ours that takes longer."""
    lock_s: float = 0.1
    """The server ends a statement of ours that waits longer for a lock; MySQL counts whole seconds, at least one."""
    answer_within_s: float = 4.0
    """Who has not answered a statement by then hangs: the connection is cut, the poll failed."""
    connect_within_s: float = 4.0
    """How long a connection may take to open."""
    retry_within_s: float = 5.0
    """After failed polls the waits grow up to this, never more: a DB that comes back matters."""
    max_ms_per_s: float = 50.0
    """Milliseconds per second that the DB may work for the polls; above it polls become rarer."""
    max_open_rows: int = 200_000
    """Above this many task instances in open states, or in none, they are only counted."""
    log_back_s: float = 3600.0
    """How far the first poll looks back into the audit log, at most 5000 rows."""
