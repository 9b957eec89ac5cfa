"""Pods of the KubernetesPodOperator in the lab: made by running tasks, and what keeps them from starting."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import lab_objects as obj
from benchmarks.lab import Lab
from benchmarks.lab_airflow import Task

UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
FORBIDDEN = 'pods "extract-x" is forbidden: exceeded quota: team, requested: requests.cpu=2, used: requests.cpu=7, limited: requests.cpu=8'


@dataclass
class KpoPods:
    """`trouble` is what each pod meets (nodes, image, quota, sidecar, "" for none); tasks give up after `patience` s.

    A task that gives up fails, and its pod is deleted, as startup_timeout_seconds and on_finish_action have it.
    """

    trouble: str = ""
    patience: float = 120
    made: dict[tuple[str, int], tuple[Task, str, float]] = field(default_factory=dict)

    def every_second(self, end: float) -> tuple[tuple[float, Callable[[Lab], None]], ...]:
        """Hooks for a plan of that length."""
        return tuple((float(second), self.look) for second in range(1, int(end)))

    def look(self, lab: Lab) -> None:
        """Makes the pods of tasks that run, and lets those give up whose pod did not start in time."""
        for task in lab.airflow.tasks:
            if task.run.work.kpo and task.state == "running" and (task.started_at or lab.now) + 1 <= lab.now:
                key = f"{task.run.run_id}/{task.task_id}", task.attempt
                if key not in self.made:
                    self._make(lab, task, key)
                elif self.trouble and lab.now >= self.made[key][2] + self.patience:
                    self._give_up(lab, task)
        for task, name, since in self.made.values():
            if task.state != "running" and name and f"gone/{name}" not in lab._told:
                lab._told[f"gone/{name}"] = ""
                lab.emit("pods", self._body(lab, task, name, since), "DELETED")

    def _make(self, lab: Lab, task: Task, key: tuple[str, int]) -> None:
        if self.trouble == "quota":
            self.made[key] = task, "", lab.now
            self._says(lab, task, f"kubernetes.client.exceptions.ApiException: (403) Reason: Forbidden: {FORBIDDEN}")
            lab.airflow.end(task, lab.now, ok=False)
            return
        name = f"extract-{task.task_id}-{lab.dice.getrandbits(32):08x}"
        self.made[key] = task, name, lab.now
        lab.emit("pods", self._body(lab, task, name, lab.now), "ADDED")
        if self.trouble == "nodes":
            lab.event("Pod", name, "FailedScheduling", UNSCHEDULABLE, kind="Warning", by="default-scheduler", uid=name)
        elif self.trouble in ("image", "sidecar"):
            what = "docker.io/library/alpine" if self.trouble == "sidecar" else "registry.local/etl:9"
            lab.event(
                "Pod",
                name,
                "Failed",
                f'Failed to pull image "{what}": not found',
                kind="Warning",
                by="kubelet",
                uid=name,
            )

    def _give_up(self, lab: Lab, task: Task) -> None:
        said = f"Pod took longer than {self.patience:.0f} seconds to start. Check the pod events in kubernetes to determine why."
        self._says(lab, task, f"airflow.providers.cncf.kubernetes.utils.pod_manager.PodLaunchFailedException: {said}")
        lab.airflow.end(task, lab.now, ok=False)

    def _says(self, lab: Lab, task: Task, text: str) -> None:
        at = obj.stamp(lab.now)[:-1]
        name = f"task.{task.run.work.dag}.{task.run.run_id}.{task.task_id}.attempt={task.attempt}.log.gz"
        lab.log(name, f"[{at}.000+0000] {{taskinstance.py:3311}} ERROR - {text}")

    def _body(self, lab: Lab, task: Task, name: str, since: float) -> obj.Body:
        labels = {"dag_id": task.run.work.dag, "task_id": task.task_id, "run_id": task.run.run_id, "try_number": str(task.attempt),
                  "kubernetes_pod_operator": "True", "airflow_version": "2.10.5"}  # fmt: skip
        head = obj.meta(lab.plan.namespace, name, name, since, labels=labels)
        containers = [
            {"name": "base", "image": "registry.local/etl:9"},
            {"name": "airflow-xcom-sidecar", "image": "alpine"},
        ]
        if self.trouble == "nodes":
            conditions = [obj.condition("PodScheduled", "False", "Unschedulable", UNSCHEDULABLE, since)]
            status: obj.Body = {"phase": "Pending", "conditions": conditions}
        else:
            stuck = {"image": "base", "sidecar": "airflow-xcom-sidecar"}.get(self.trouble, "")
            states = [
                {"name": c["name"], "image": c["image"], "ready": c["name"] != stuck, "restartCount": 0,
                 "state": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{c["image"]}"'}}
                 if c["name"] == stuck else {"running": {"startedAt": obj.stamp(since + 2)}}}
                for c in containers
            ]  # fmt: skip
            conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": obj.stamp(since)}]
            status = {"phase": "Pending" if stuck else "Running", "conditions": conditions, "containerStatuses": states}
        spec = {
            "containers": containers,
            "nodeName": "" if self.trouble == "nodes" else "node-a",
            "restartPolicy": "Never",
        }
        return {"kind": "Pod", "apiVersion": "v1", "metadata": head, "spec": spec, "status": status}
