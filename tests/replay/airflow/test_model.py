"""Any history under any turning of the clock: the database holds what a plain model of it says."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.model.clock import SECOND
from afscope.model.pace import ScaledPace
from afscope.replay.airflow.history import AirflowHistory
from afscope.replay.airflow.observations import Observed, Seen
from afscope.replay.airflow.server import AirflowReplay
from tests.replay.airflow.conftest import HEAD_2_10, at, query, until

Key = tuple[str, ...]
Row = dict[str, Any]
Held = dict[str, dict[Key, Row]]

KEYS = {"task_instance": ("dag_id", "run_id", "task_id"), "dag_run": ("dag_id", "run_id")}
UNIQUE = {"task_instance": (), "dag_run": (("id",), ("dag_id", "execution_date"))}
SHOWN = {
    "task_instance": ("dag_id", "run_id", "task_id", "state", "try_number"),
    "dag_run": ("dag_id", "run_id", "id", "state", "execution_date"),
}

_DATES = tuple(f"2026-11-18 12:00:0{n}.000000" for n in range(3))
_tasks = st.builds(
    lambda run, task, state, tries: Seen(
        "task_instance",
        {"dag_id": "d", "run_id": run, "task_id": task, "map_index": -1, "state": state, "try_number": tries},
    ),
    st.sampled_from("ab"),
    st.sampled_from(("t1", "t2", "t'3")),
    st.sampled_from((None, "queued", "running", "success")),
    st.integers(0, 3),
)
# Few ids and dates for few runs, so that runs take each other's.
_runs = st.builds(
    lambda run, number, state, date: Seen(
        "dag_run",
        {"dag_id": "d", "run_id": run, "id": number, "state": state, "execution_date": date, "run_type": "manual"},
    ),
    st.sampled_from("abc"),
    st.integers(1, 4),
    st.sampled_from(("queued", "running", "success")),
    st.sampled_from(_DATES),
)
_seen = st.builds(
    lambda seen, gone: seen._replace(gone=gone), st.one_of(_tasks, _runs), st.sampled_from((False,) * 4 + (True,))
)
_polls = st.lists(st.lists(_seen, max_size=5), min_size=1, max_size=8)
_turns = st.lists(st.integers(-2, 9), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(_polls, _turns)
def test_the_database_is_what_a_plain_model_says_wherever_the_clock_is_turned(
    polls: list[list[Seen]], turns: list[int]
) -> None:
    pace = ScaledPace(at(0), paused=True)
    with AirflowReplay(history_of(polls), pace) as replay:
        for turn in (0, *turns):
            pace.jump(at(turn))
            until(replay.settled)

            assert held(replay.url) == expected(polls[: max(turn, 0) + 1]), f"{turn} s after the beginning"


def history_of(polls: list[list[Seen]]) -> AirflowHistory:
    """One poll a second."""
    timed = [(at(second), seen) for second, seen in enumerate(polls)]
    timed[0] = (at(0), [Seen("alembic_version", HEAD_2_10), *polls[0]])
    return AirflowHistory(Observed(at(0), at(0) + len(polls) * SECOND, timed, complete=True))


def expected(polls: list[list[Seen]]) -> dict[str, list[tuple[Any, ...]]]:
    rows: Held = {table: {} for table in KEYS}
    for table, row, gone in (seen for poll in polls for seen in poll):
        key = tuple(row[name] for name in KEYS[table])
        if gone:
            rows[table].pop(key, None)
            continue
        for other in list(rivals(rows[table], key, dict(row), table)):
            del rows[table][other]
        rows[table][key] = dict(row)
    return {
        table: listed([tuple(row[name] for name in SHOWN[table]) for row in rows[table].values()]) for table in KEYS
    }


def rivals(rows: dict[Key, Row], key: Key, row: Row, table: str) -> Iterator[Key]:
    """Rows that a database with these unique keys cannot hold beside this one."""
    for other, theirs in rows.items():
        if other != key and any(all(theirs[name] == row[name] for name in names) for names in UNIQUE[table]):
            yield other


def held(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {table: listed(query(url, f"SELECT {', '.join(names)} FROM {table}")) for table, names in SHOWN.items()}


def listed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=str)
