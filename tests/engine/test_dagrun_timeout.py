"""dagrun_timeout: a run that was too long for its DAG takes its running tasks with it."""

from pathlib import Path

from afscope.model.finding import Role
from tests.engine.incident import Incident, finding, roots

END = 300.0
LINE = "Run r1 of etl has timed-out"


def timed_out(*, began: float = 20, skipped: bool = True, logged: bool = True, failed: bool = False) -> Incident:
    """Run r1 is failed at second 210; a task that runs since `began` and one that waits for it are skipped."""
    incident = Incident(END)
    incident.workers(names=["w0"])
    incident.run("r1", 5, 5.2, 210, state="failed")
    state = "skipped" if skipped else "success"
    incident.task("long", "r1", none=5, scheduled=6, queued=7, running=began, ended=210, state=state, host="w0")
    incident.task("next", "r1", none=5, ended=210, state="skipped")
    if failed:
        incident.task("broken", "r1", none=5, scheduled=6, queued=7, running=20, ended=209, state="failed", host="w0")
    if logged:
        incident.log(210, "sched.run_timeout", pod="scheduler-0", text=LINE, run_id="r1", dag_id="etl")
    return incident


def test_running_tasks_of_a_run_that_timed_out_are_lost(tmp_path: Path) -> None:
    case = timed_out().open(tmp_path)
    assert roots(case) == ["dagrun_timeout"]
    found = finding(case, "dagrun_timeout")
    assert found is not None
    assert found.title == (
        "Run r1 of etl hit its dagrun_timeout after 205 s: 1 running and 1 waiting task(s) were skipped"
    )
    assert found.cost.lost_task_seconds == 190


def test_the_rows_alone_prove_it(tmp_path: Path) -> None:
    case = timed_out(logged=False).open(tmp_path, lang="zh")
    assert roots(case) == ["dagrun_timeout"]


def test_a_task_that_skipped_itself_in_a_failed_run(tmp_path: Path) -> None:
    assert finding(timed_out(logged=False, failed=True).open(tmp_path), "dagrun_timeout") is None


def test_a_failed_run_whose_tasks_were_done(tmp_path: Path) -> None:
    assert finding(timed_out(skipped=False, logged=False).open(tmp_path), "dagrun_timeout") is None


def test_what_the_tasks_waited_for_is_guilty_not_the_timeout(tmp_path: Path) -> None:
    """A worker came 150 s late: the timeout only ended what had hardly begun."""
    incident = timed_out(began=170)
    case = incident.open(tmp_path)
    found = finding(case, "dagrun_timeout")
    assert found is not None
    assert found.role is Role.OBSERVATION
    assert "waited for most of the time" in found.detail
