"""pool_missing: tasks whose pool is not there, or can never hold them."""

from pathlib import Path

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds


def scheduled(incident: Incident, n: int, pool: str, *, slots: int = 1, second: float = 10) -> None:
    """`n` tasks that stay scheduled."""
    incident.run("r1", second, second + 0.2)
    for number in range(n):
        incident.task(f"{pool}{number}", "r1", none=second, scheduled=second + 0.5, pool=pool, slots=slots)


def test_a_pool_that_is_not_there(tmp_path: Path) -> None:
    incident = Incident()
    scheduled(incident, 4, "gone")
    case = incident.open(tmp_path)
    assert roots(case) == ["pool_missing"]
    found = finding(case, "pool_missing")
    assert found is not None
    assert found.title == "4 task(s) can never be queued: pool gone does not exist"
    assert seconds(case, "pool_missing") > 4 * 100
    assert ruling(case, "pool") is Ruling.GUILTY
    assert ruling(case, "scheduler") is not Ruling.GUILTY


def test_a_pool_that_was_made_at_last(tmp_path: Path) -> None:
    incident = Incident()
    scheduled(incident, 4, "late")
    incident.pool("late", 4, 60)
    incident.rows[-1] = incident.rows[-1]._replace(values={**incident.rows[-1].values, "change": "ADDED"})
    case = incident.open(tmp_path)
    found = finding(case, "pool_missing")
    assert found is not None
    assert 4 * 45 < seconds(case, "pool_missing") < 4 * 55


def test_tasks_that_need_more_slots_than_there_are(tmp_path: Path) -> None:
    incident = Incident()
    incident.pool("narrow", 2)
    scheduled(incident, 4, "narrow", slots=3)
    case = incident.open(tmp_path, lang="zh")
    assert roots(case) == ["pool_missing"]
    found = finding(case, "pool_missing")
    assert found is not None
    assert "只有 2 个槽位" in found.title


def test_an_infinite_pool_holds_everything(tmp_path: Path) -> None:
    incident = Incident()
    incident.pool("endless", -1)
    scheduled(incident, 4, "endless", slots=300)
    assert finding(incident.open(tmp_path), "pool_missing") is None


def test_pools_that_were_not_read_prove_nothing(tmp_path: Path) -> None:
    incident = Incident()
    incident.missing = {"pools"}
    scheduled(incident, 4, "gone")
    case = incident.open(tmp_path)
    assert finding(case, "pool_missing") is None
    assert case.analysis.verdict.healthy is None


def test_a_full_pool_is_the_neighbour(tmp_path: Path) -> None:
    incident = Incident()
    incident.pool("tiny", 1)
    incident.workers()
    incident.run("r0", 10, 10.2)
    incident.task("holder", "r0", none=10, scheduled=10.5, queued=11, running=20, host="w0", pool="tiny")
    scheduled(incident, 4, "tiny")
    case = incident.open(tmp_path)
    assert roots(case) == ["pool_exhausted"]
    assert finding(case, "pool_missing") is None
