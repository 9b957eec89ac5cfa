"""A broker that hangs while nobody sends: no log says so, only the standstill of all workers and its common end."""

from pathlib import Path

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, finding, roots, ruling, seconds

HANGS, BACK = 32, 100


def standstill(
    *,
    airflow3: bool = False,
    back: tuple[float, float] = (BACK, BACK),
    first_end: float = 34,
    long_task: bool = False,
    nodes: tuple[str, ...] = ("n1", "n2"),
) -> Incident:
    """Eight tasks fill two workers until `first_end`; eight more, queued at 11 too, begin at `back` on w0 and on w1."""
    incident = Incident(160, max_replicas=2, airflow3=airflow3)
    incident.workers(names=("w0", "w1"), nodes=nodes)
    incident.run("r", 10, 10.2)
    for number in range(16):
        host, first = number % 2, number < 8
        started = 18.0 if first else back[host]
        ended = first_end if first else started + 20
        if long_task and number < 2:
            ended = BACK - 5
        incident.task(f"t{number:02}", "r", none=10, scheduled=10.5, queued=11, running=started, ended=ended,
                      host=f"w{host}")  # fmt: skip
    return incident


def test_what_stands_still_together_and_goes_on_together_lacks_what_it_shares(tmp_path: Path) -> None:
    case = standstill().open(tmp_path)
    assert roots(case)[0] == "broker_unavailable"
    found = finding(case, "broker_unavailable")
    assert found is not None
    assert "none was taken" in found.detail
    assert [item.table for item in found.evidence] == ["task_instances"] * 3
    assert found.evidence[0].key.startswith("etl/r/t0"), "the last start is one of the first eight"
    assert seconds(case, "broker_unavailable", "consume") > 8 * 60
    assert ruling(case, "broker") is Ruling.GUILTY
    assert ruling(case, "worker") is not Ruling.GUILTY


def test_one_worker_that_stands_still_is_no_broker(tmp_path: Path) -> None:
    assert finding(standstill(back=(BACK, 36)).open(tmp_path), "broker_unavailable") is None


def test_workers_that_go_on_one_after_the_other_had_each_their_own_trouble(tmp_path: Path) -> None:
    assert finding(standstill(back=(BACK, BACK + 20)).open(tmp_path), "broker_unavailable") is None


def test_a_scheduler_without_a_heart_beat_may_not_have_sent_them(tmp_path: Path) -> None:
    incident = standstill()
    incident.scheduler_dead = (HANGS, BACK)
    assert finding(incident.open(tmp_path), "broker_unavailable") is None


def test_a_database_that_does_not_answer_keeps_tasks_from_starting(tmp_path: Path) -> None:
    incident = standstill()
    incident.db_dead = (60, BACK)
    assert finding(incident.open(tmp_path), "broker_unavailable") is None


def test_airflow_3_may_also_wait_for_the_execution_api(tmp_path: Path) -> None:
    assert finding(standstill(airflow3=True).open(tmp_path), "broker_unavailable") is None


def test_a_task_that_ends_late_acquits_the_execution_api(tmp_path: Path) -> None:
    case = standstill(airflow3=True, long_task=True).open(tmp_path)
    assert "broker_unavailable" in roots(case)


def test_full_workers_are_no_standstill(tmp_path: Path) -> None:
    case = standstill(first_end=BACK - 1).open(tmp_path)
    assert finding(case, "broker_unavailable") is None


def test_a_node_that_froze_stops_all_its_workers_too(tmp_path: Path) -> None:
    assert finding(standstill(nodes=("n1",)).open(tmp_path), "broker_unavailable") is None


def test_a_task_that_ends_in_the_standstill_acquits_the_node(tmp_path: Path) -> None:
    case = standstill(nodes=("n1",), long_task=True).open(tmp_path)
    assert "broker_unavailable" in roots(case)
