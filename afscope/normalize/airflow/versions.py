"""Airflow versions from the alembic head of the metadata DB.

Source: _REVISION_HEADS_MAP of airflow/utils/db.py in the wheels 2.2.5 to 3.3.2, confirmed by migrating. A head gives
a range: [its release, the next head). Without a known head (a migration under way, a fork) columns tell enough.
"""

from collections.abc import Set as AbstractSet

_HEADS = (
    ("7b2661a43ba3", "2.2.0"), ("be2bfac3da23", "2.2.3"), ("587bdf053233", "2.2.4"), ("b1b348e02d07", "2.3.0"),
    ("1de7bc13c950", "2.3.1"), ("3c94c427fdf6", "2.3.2"), ("f5fcbda3e651", "2.3.3"), ("ecb43d2a1842", "2.4.0"),
    ("b0d31815b5a6", "2.4.2"), ("e07f49787c9d", "2.4.3"), ("290244fb8b83", "2.5.0"), ("98ae134e6fff", "2.6.0"),
    ("c804e5c76e3e", "2.6.2"), ("405de8318b3a", "2.7.0"), ("10b52ebd31f7", "2.8.0"), ("88344c1d9134", "2.8.1"),
    ("1949afb29106", "2.9.0"), ("686269002441", "2.9.2"), ("22ed7efa9da2", "2.10.0"), ("5f2621c13b39", "2.10.3"),
    ("29ce7909c52b", "3.0.0"), ("fe199e1abd77", "3.0.3"), ("cc92b33c6709", "3.1.0"), ("509b94a1042d", "3.1.8"),
    ("1d6611b6ab7c", "3.2.0"), ("d2f4e1b3c5a7", "3.3.0"),
)  # fmt: skip
_INDEX = {head: number for number, (head, _) in enumerate(_HEADS)}

Version = tuple[int, int]


def first_release(head: str) -> Version | None:
    """(major, minor) of the first release with this head; None for heads nobody knows."""
    number = _INDEX.get(head)
    if number is None:
        return None
    major, minor, _ = _HEADS[number][1].split(".")
    return int(major), int(minor)


def release_range(head: str) -> str:
    """The releases that a head stands for, as text: "2.10.3 up to before 3.0.0"; empty for unknown heads."""
    number = _INDEX.get(head)
    if number is None:
        return ""
    first = _HEADS[number][1]
    return f"{first} up to before {_HEADS[number + 1][1]}" if number + 1 < len(_HEADS) else f"{first} or later"


# The newest first: a column and the release of task_instance that brought it (DDL of 2.2 to 3.3).
_BROUGHT = (
    ("scheduled_dttm", (3, 0)), ("last_heartbeat_at", (3, 0)), ("dag_version_id", (3, 0)), ("id", (3, 0)),
    ("executor", (2, 10)), ("task_display_name", (2, 9)), ("custom_operator_name", (2, 7)), ("updated_at", (2, 5)),
    ("map_index", (2, 3)),
)  # fmt: skip
# Columns of every version: a row that has them was read in earnest, so a newer one that lacks is absent from the table.
_ALWAYS = frozenset(("operator", "external_executor_id", "queued_by_job_id", "pool_slots"))


def by_columns(columns: AbstractSet[str]) -> Version | None:
    """The least version whose task_instance has these columns; None when too few were read to tell an old one."""
    least = next((version for column, version in _BROUGHT if column in columns), (2, 2))
    return least if least >= (2, 10) or columns >= _ALWAYS else None
