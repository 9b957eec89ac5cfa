"""Causes between ready workers and tasks that still wait (stage consume)."""

import json
from pathlib import Path

import pytest

from afscope.model.finding import Ruling
from tests.engine.incident import Incident, at, finding, roots, ruling, seconds

BOTH = (
    "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance "
    "WHERE (state='running' OR state='queued') AND queue IN ('default', 'gpu')"
)


def banner(incident: Incident, second: float, pod: str, *queues: str) -> None:
    """What a Celery worker says at start: its queues, then that it is ready."""
    for queue in queues:
        text = f".> {queue} exchange={queue}(direct) key={queue}"
        incident._add("log_lines", second, component="worker", pod=pod, pattern="worker.queues", text=text,
                      fields=json.dumps({"queue": queue}))  # fmt: skip
    incident._add("log_lines", second, component="worker", pod=pod, pattern="worker.ready", text=f"celery@{pod} ready.",
                  fields=json.dumps({"host": pod}))  # fmt: skip


class TestNoConsumerForQueue:
    def waiting(self, *queues: str, query: str = BOTH, running: float | None = None) -> Incident:
        """One worker that listens to `queues`, or said nothing, and three tasks of queue gpu."""
        incident = Incident(query=query)
        incident.workers()
        if queues:
            banner(incident, 17, "w0", *queues)
        incident.run("r1", 10, 10.2)
        for n in range(3):
            incident.task(
                f"g{n}", "r1", none=10, scheduled=10.5, queued=11, running=running, host="w0" if running else "",
                queue="gpu",
            )  # fmt: skip
        return incident

    def test_idle_workers_listen_to_another_queue(self, tmp_path: Path) -> None:
        case = self.waiting("default").open(tmp_path)
        assert roots(case) == ["no_consumer_for_queue"]
        assert seconds(case, "no_consumer_for_queue", "consume") > 3 * 100
        assert ruling(case, "worker") is Ruling.GUILTY
        assert ruling(case, "broker") is not Ruling.GUILTY
        assert ruling(case, "keda-operator") is not Ruling.GUILTY

    def test_tasks_of_a_queue_that_is_served_keep_their_slots(self, tmp_path: Path) -> None:
        incident = self.waiting("default")
        incident.run("r0", 10, 10.2)
        for n in range(4):
            incident.task(f"s{n}", "r0", none=11, scheduled=11.5, queued=12, running=20, ended=100, host="w0")
        case = incident.open(tmp_path)
        assert roots(case) == ["no_consumer_for_queue"]
        assert all(w.queue == "gpu" for w in case.waits() for s in w.stages if s.cause == "no_consumer_for_queue")

    def test_a_worker_that_listens_clears_the_queue(self, tmp_path: Path) -> None:
        assert finding(self.waiting("default", "gpu").open(tmp_path), "no_consumer_for_queue") is None

    def test_a_worker_without_a_banner_may_listen_to_anything(self, tmp_path: Path) -> None:
        assert finding(self.waiting().open(tmp_path), "no_consumer_for_queue") is None

    def test_tasks_that_were_taken_had_a_consumer(self, tmp_path: Path) -> None:
        assert finding(self.waiting("default", running=60).open(tmp_path), "no_consumer_for_queue") is None

    def test_a_queue_that_the_trigger_does_not_count_is_its_fault(self, tmp_path: Path) -> None:
        query = BOTH.replace(", 'gpu'", "")
        case = self.waiting("default", query=query).open(tmp_path)
        assert roots(case) == ["queue_mismatch"]
        assert finding(case, "no_consumer_for_queue") is None


class TestBrokerUnavailable:
    def lost(self, *pods: str, until: int = 100, other_starts: float | None = None) -> Incident:
        """Two idle workers, four tasks queued at 40; `pods` cannot reach the broker from 30 to `until`."""
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        for second in range(30, until, 8):
            for pod in pods:
                text = "consumer: Cannot connect to redis://broker:6379/0: Error 111 connecting. Connection refused.."
                incident._add("log_lines", second, component="worker", pod=pod, pattern="worker.broker_connect",
                              text=text)  # fmt: skip
        incident.run("r1", 39, 39.2)
        for n in range(4):
            incident.task(f"t{n}", "r1", none=39, scheduled=39.5, queued=40, running=until + 1, host="w0")
        if other_starts is not None:
            for n, start in enumerate(range(int(other_starts), until, 4)):
                incident.task(f"o{n}", "r1", none=39, scheduled=39.5, queued=40, running=start, host="w1")
        return incident

    def test_nothing_starts_while_all_workers_cannot_connect(self, tmp_path: Path) -> None:
        case = self.lost("w0", "w1").open(tmp_path)
        assert roots(case) == ["broker_unavailable"]
        assert seconds(case, "broker_unavailable", "consume") > 4 * 55
        assert ruling(case, "broker") is Ruling.GUILTY
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_one_worker_without_connection_is_not_the_broker(self, tmp_path: Path) -> None:
        assert finding(self.lost("w0").open(tmp_path), "broker_unavailable") is None

    def test_tasks_that_start_prove_that_it_delivers(self, tmp_path: Path) -> None:
        case = self.lost("w0", "w1", other_starts=41).open(tmp_path)
        assert "broker_unavailable" not in roots(case)
        assert ruling(case, "broker") is not Ruling.GUILTY

    def test_a_connection_lost_and_found_at_once_is_no_outage(self, tmp_path: Path) -> None:
        assert finding(self.lost("w0", "w1", until=31).open(tmp_path), "broker_unavailable") is None

    def test_the_only_worker_there_is_speaks_for_the_broker(self, tmp_path: Path) -> None:
        incident = self.lost("w0")
        incident.rows = [row for row in incident.rows if row.values.get("uid") != "w1"]
        case = incident.open(tmp_path)
        assert roots(case) == ["broker_unavailable"]
        assert ruling(case, "worker") is not Ruling.GUILTY

    def test_a_worker_that_is_connected_again_ends_the_outage(self, tmp_path: Path) -> None:
        incident = self.lost("w0", "w1", until=60)
        incident.log(57, "worker.connected", pod="w0", text="Connected to redis://broker:6379/0")
        found = finding(incident.open(tmp_path), "broker_unavailable")
        assert found is not None
        assert found.ended_at == at(57)

    def unsent(self, *attempts: float, starts: float | None = None) -> Incident:
        """No worker yet; the scheduler fails to send messages at these seconds, and their attempts fail."""
        incident = Incident()
        incident.run("r1", 39, 39.2)
        for n, second in enumerate(attempts):
            incident.task(f"t{n}", "r1", none=39, scheduled=39.5, queued=second - 1, ended=second, state="failed")
            text = "Error sending Celery task: Error 111 connecting to broker:6379. Connection refused."
            incident.log(second, "celery.send_error", pod="scheduler-0", text=text)
        if starts is not None:
            incident.workers()
            incident.task("ok", "r1", none=39, scheduled=39.5, queued=40, running=starts, host="w0")
        return incident

    def test_what_the_scheduler_cannot_send_reaches_nobody(self, tmp_path: Path) -> None:
        case = self.unsent(40, 41, 42, 55).open(tmp_path)
        assert roots(case) == ["broker_unavailable"]
        found = finding(case, "broker_unavailable")
        assert found is not None
        assert found.cost.lost_task_seconds == pytest.approx(4)
        assert "4 attempt(s) failed" in found.detail

    def test_one_message_that_could_not_be_sent_is_no_outage(self, tmp_path: Path) -> None:
        case = self.unsent(40, starts=43).open(tmp_path)
        assert finding(case, "broker_unavailable") is None
        assert ruling(case, "broker") is not Ruling.GUILTY

    def test_a_slow_sender_whose_messages_arrive_is_not_the_broker(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(activated=45)
        incident.run("r1", 19, 19.2)
        for n, second in enumerate((20, 24, 28, 32)):
            incident.log(second, "celery.publish_timeout", pod="scheduler-0", text="[Try 1 of 3] Task Timeout Error")
            incident.task(f"t{n}", "r1", none=19, scheduled=19.5, queued=second, running=52, host="w0")
        assert finding(incident.open(tmp_path), "broker_unavailable") is None

    def test_attempts_that_fail_without_such_a_line_are_not_the_brokers(self, tmp_path: Path) -> None:
        incident = self.unsent(40, 41, 42, 55)
        incident.rows = [row for row in incident.rows if row.table != "log_lines"]
        assert finding(incident.open(tmp_path), "broker_unavailable") is None


class TestWorkerDisconnected:
    def silent(self, *, answers: bool = True, busy: bool = False, lost: bool = True) -> Incident:
        """One worker that lost the broker at 30 and takes nothing of what is queued at 40."""
        incident = Incident()
        incident.workers()
        if lost:
            text = "consumer: Connection to broker lost. Trying to re-establish the connection..."
            incident._add("log_lines", 30, component="worker", pod="w0", pattern="worker.broker_lost", text=text)
        if answers:
            incident._add("broker_queues", 35, broker="redis", queue="default", depth=3)
        incident.run("r1", 10, 10.2)
        for n in range(4 if busy else 0):
            incident.task(f"b{n}", "r1", none=10, scheduled=10.5, queued=11, running=20, host="w0")
        for n in range(3):
            incident.task(f"t{n}", "r1", none=39, scheduled=39.5, queued=40)
        return incident

    def test_a_worker_that_never_consumes_again(self, tmp_path: Path) -> None:
        case = self.silent().open(tmp_path)
        assert roots(case) == ["worker_disconnected"]
        assert ruling(case, "worker") is Ruling.GUILTY
        assert ruling(case, "broker") is not Ruling.GUILTY

    def test_without_a_sign_of_the_broker_nobody_is_blamed(self, tmp_path: Path) -> None:
        assert finding(self.silent(answers=False).open(tmp_path), "worker_disconnected") is None

    def test_full_workers_take_nothing_either(self, tmp_path: Path) -> None:
        assert finding(self.silent(busy=True).open(tmp_path), "worker_disconnected") is None

    def test_idle_without_a_lost_connection_is_something_else(self, tmp_path: Path) -> None:
        assert finding(self.silent(lost=False).open(tmp_path), "worker_disconnected") is None

    def test_each_silent_worker_is_told_apart_from_one_that_works(self, tmp_path: Path) -> None:
        incident = Incident()
        incident.workers(names=["w0", "w1"])
        text = "consumer: Connection to broker lost. Trying to re-establish the connection..."
        for pod in ("w0", "w1"):
            incident.log(30, "worker.broker_lost", pod=pod, text=text)
        incident.run("r1", 39, 39.2)
        for n in range(4):
            incident.task(f"b{n}", "r1", none=39, scheduled=39.5, queued=40, running=41, host="w1")
        for n in range(3):
            incident.task(f"t{n}", "r1", none=39, scheduled=39.5, queued=40)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_disconnected"]
        found = finding(case, "worker_disconnected")
        assert found is not None
        assert found.title.startswith("1 worker")
        assert seconds(case, "worker_disconnected", "consume") > 3 * 60

    def test_a_worker_that_takes_tasks_again_came_back(self, tmp_path: Path) -> None:
        incident = self.silent()
        incident.task("again", "r1", none=39, scheduled=39.5, queued=40, running=50, ended=55, host="w0")
        assert finding(incident.open(tmp_path), "worker_disconnected") is None

    def test_those_for_whom_no_free_slot_is_left_wait_for_the_silent_ones_too(self, tmp_path: Path) -> None:
        incident = Incident(max_replicas=1)
        incident.workers()
        incident.log(30, "worker.broker_lost", pod="w0", text="consumer: Connection to broker lost.")
        incident.log(35, "worker.connected", pod="w0", text="Connected to redis://broker:6379/0")
        incident.run("r1", 39, 39.2)
        for n in range(12):
            incident.task(f"t{n}", "r1", none=39, scheduled=39.5, queued=40)
        case = incident.open(tmp_path)
        assert roots(case) == ["worker_disconnected"]
        assert ruling(case, "autoscaler-settings") is not Ruling.GUILTY
        assert sum(s.seconds for w in case.waits() for s in w.stages if s.stage == "unknown") == 0
