"""airflow.cfg: what is kept, what is not, and how it changes."""

import pytest

from afscope.normalize.airflow.cfg import CfgFiles, kept
from afscope.normalize.redact import Redactor
from tests.normalize.test_redact import CANARY

CFG = f"""
# the chart writes it without comments, people do not
[core]
parallelism = 64
executor=CeleryExecutor
fernet_key = {CANARY}
[celery]
worker_concurrency: 8
broker_url = redis://:{CANARY}@redis/0
[celery_broker_transport_options]
visibility_timeout = 21600
[database]
sql_alchemy_conn = postgresql://a:{CANARY}@db/airflow?x=%(here)s
"""


def test_only_settings_on_the_allow_list_are_kept() -> None:
    assert kept(CFG, Redactor()) == {
        "core.parallelism": "64",
        "core.executor": "CeleryExecutor",
        "celery.worker_concurrency": "8",
        "celery_broker_transport_options.visibility_timeout": "21600",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[core]\nparallelism = 5\nthis is : : no setting\n= 3\n[celery]\npool = prefork", {"core.parallelism": "5", "celery.pool": "prefork"}),
        ("[core]\nparallelism = 5\nparallelism = 6\n[core]\nexecutor = X", {"core.parallelism": "6", "core.executor": "X"}),
        ("[core]\nparallelism", {}),
        ("[Core]\nPARALLELISM = 5\r\n", {"core.parallelism": "5"}),
        ("[core]\nparallelism = {{ `templated` }} %(x)s %", {"core.parallelism": "{{ `templated` }} %(x)s %"}),
        ("parallelism = 5\n[core]\nexecutor = X", {}),
        ("", {}),
        ("\x00\x01", {}),
    ],
)  # fmt: skip
def test_files_as_people_leave_them(text: str, expected: dict[str, str]) -> None:
    assert kept(text, Redactor()) == expected


def test_rows_are_changes() -> None:
    files = CfgFiles(Redactor())

    def news(seen_at: int, **texts: str) -> list[tuple[str, str, str, str]]:
        rows = list(files.news(texts, seen_at))
        assert all(row.table == "airflow_config" and row.values["seen_at"] == seen_at for row in rows)
        assert all(row.values["component"] == "airflow.cfg" for row in rows)
        return [tuple(row.values[name] for name in ("scope", "key", "value", "change")) for row in rows]

    assert news(1, a="[core]\nparallelism=5") == [("a", "core.parallelism", "5", "STATE")]
    assert news(2, a="[core]\nparallelism=5\n") == []
    assert news(3, a="[core]\nparallelism=6\nexecutor=X") == [
        ("a", "core.executor", "X", "ADDED"), ("a", "core.parallelism", "6", "MODIFIED"),
    ]  # fmt: skip
    assert news(4, a="[core]\nexecutor=X") == [("a", "core.parallelism", "6", "DELETED")]
    assert news(5) == [("a", "core.executor", "X", "DELETED")]
    assert news(6, a="[core]\nexecutor=X") == [("a", "core.executor", "X", "STATE")]
