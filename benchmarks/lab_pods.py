"""Controllers, kubelets and Celery workers of the lab: from spec.replicas to running tasks, and back."""

from benchmarks import lab_objects as obj
from benchmarks.lab_airflow import Task
from benchmarks.lab_recorder import NODES, Pod, Recorder


class Workers(Recorder):
    """Makes pods of replicas, brings them up, lets them take tasks, and takes them away."""

    def _controllers(self) -> None:
        alive = self._alive()
        if len(alive) < self.replicas and not self.broken("workload"):
            self._create(self.replicas - len(alive))
        for pod in self._victims(len(alive) - self.replicas):
            self.stop(pod)

    def _victims(self, n: int) -> list[Pod]:
        if n <= 0:
            return []
        if self.plan.kind == "StatefulSet":
            if any(pod.stopping and not pod.gone for pod in self.pods):
                return []
            return [max(self._alive(), key=lambda pod: int(pod.name.rsplit("-", 1)[1]))]
        # a ReplicaSet takes those that are not ready first, then the youngest
        order = sorted(self._alive(), key=lambda pod: (pod.ready_at is not None, -pod.created, self.dice.random()))
        return order[:n]

    def _create(self, n: int) -> None:
        if self.broken("quota") and len(self._alive()) >= self.plan.capacity:
            if self.every(10):
                stateful = self.plan.kind == "StatefulSet"
                name = self.worker if stateful else f"{self.worker}-{self._hash}"
                said = (
                    f"create Pod {name}-{len(self._alive())} in StatefulSet {name} failed error: {self.plan.error.removeprefix('Error creating: ')}"
                    if stateful
                    else self.plan.error
                )
                self.event(
                    "StatefulSet" if stateful else "ReplicaSet",
                    name,
                    "FailedCreate",
                    said,
                    kind="Warning",
                    by="statefulset-controller" if stateful else "replicaset-controller",
                    uid=f"workload-{name}" if stateful else f"rs-{name}",
                )
            return
        if self.broken("quota"):
            n = min(n, self.plan.capacity - len(self._alive()))
        stateful = self.plan.kind == "StatefulSet"
        if stateful and self.plan.ordered:
            if any(pod.gone is None and (pod.ready_at is None or pod.stopping) for pod in self.pods):
                return
            n = 1
        taken = {pod.name for pod in self.pods if pod.gone is None}
        for _ in range(n):
            ordinal = next(i for i in range(1000) if f"{self.worker}-{i}" not in taken)
            name = (
                f"{self.worker}-{ordinal}"
                if stateful
                else f"{self.worker}-{self._hash}-{self.dice.getrandbits(24):06x}"
            )
            if stateful and name in taken:
                return
            taken.add(name)
            self.pods.append(Pod(name, f"uid-{self.dice.getrandbits(48):x}", self.now))
            about = ("StatefulSet", self.worker) if stateful else ("ReplicaSet", f"{self.worker}-{self._hash}")
            said = f"create Pod {name} in StatefulSet {self.worker} successful" if stateful else f"Created pod: {name}"
            self.event(
                *about, "SuccessfulCreate", said, by="statefulset-controller" if stateful else "replicaset-controller"
            )

    def stop(self, pod: Pod, *, event: bool = True) -> None:
        """Somebody deletes a pod; its grace begins."""
        pod.stopping = self.now
        if pod.started is None:
            pod.gone = self.now + 0.5
        elif event:
            self.event("Pod", pod.name, "Killing", "Stopping container worker", by="kubelet", uid=pod.uid)

    def _kubelet(self, pod: Pod) -> None:
        if pod.gone is not None:
            return
        if pod.stopping is not None:
            self._stopping(pod)
        elif pod.scheduled is None:
            self._schedule(pod)
        elif pod.started is None:
            self._pull(pod)
        elif pod.consuming is None and self.now >= pod.next_at:
            self._booted(pod)
        if (
            pod.stopping is None
            and pod.consuming is not None
            and pod.ready_at is None
            and self.now >= (pod.started or self.now) + self.plan.ready
        ):
            pod.ready_at = self.now

    def _schedule(self, pod: Pod) -> None:
        placed = sum(p.scheduled is not None and p.gone is None for p in self.pods)
        if self.broken("nodes") and placed >= self.plan.capacity:
            if pod.condition is None or self.every(30):
                text = (
                    self.plan.error
                    or "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod."
                )
                pod.condition = obj.condition("PodScheduled", "False", "Unschedulable", text, self.now)
                self.event(
                    "Pod", pod.name, "FailedScheduling", text, kind="Warning", by="default-scheduler", uid=pod.uid
                )
            return
        pod.scheduled, pod.condition = self.now, None
        pod.node = self.dice.choice(NODES)
        pod.next_at = self.now + self.plan.pull * self.dice.uniform(0.8, 1.2)
        self.event(
            "Pod",
            pod.name,
            "Scheduled",
            f"Successfully assigned {self.plan.namespace}/{pod.name} to {pod.node}",
            by="default-scheduler",
            uid=pod.uid,
        )
        self.event("Pod", pod.name, "Pulling", 'Pulling image "apache/airflow:2.10.5"', by="kubelet", uid=pod.uid)

    def _pull(self, pod: Pod) -> None:
        if self.now < pod.next_at:
            return
        if self.broken("image"):
            pod.pull_tries += 1
            pod.waiting = "ErrImagePull" if pod.pull_tries == 1 else "ImagePullBackOff"
            pod.next_at = self.now + min(10 * 2 ** (pod.pull_tries - 1), 300)
            self.event(
                "Pod",
                pod.name,
                "Failed",
                f'Failed to pull image "apache/airflow:2.10.5": {self.plan.error}',
                kind="Warning",
                by="kubelet",
                uid=pod.uid,
            )
            self.event(
                "Pod", pod.name, "BackOff", 'Back-off pulling image "apache/airflow:2.10.5"', by="kubelet", uid=pod.uid
            )
            return
        took = self.now - (pod.scheduled or self.now)
        self.event(
            "Pod",
            pod.name,
            "Pulled",
            f'Successfully pulled image "apache/airflow:2.10.5" in {took:.3f}s ({took:.3f}s including waiting). Image size: 419430400 bytes.',
            by="kubelet",
            uid=pod.uid,
        )
        self.event("Pod", pod.name, "Started", "Container started", by="kubelet", uid=pod.uid)
        pod.started = self.now
        pod.next_at = self.now + self.plan.boot * self.dice.uniform(0.9, 1.1)

    def _booted(self, pod: Pod) -> None:
        if self.broken("crash"):
            self.restart(pod, "Error", 1)
            return
        pod.consuming = self.now
        banner = [
            "-- ******* ---- Linux",
            f"- *** --- * --- .> concurrency: {self.plan.concurrency} (prefork)",
            " -------------- [queues]",
        ]
        banner += [
            f"                .> {queue:<16} exchange={queue}(direct) key={queue}" for queue in self.plan.listens
        ]
        for line in banner:
            self.log(f"pod.{pod.name}.log.gz", line)
        if not self.cut_off():
            self.worker_says(pod, f"celery@{pod.name} ready.")

    def die(self, pod: Pod) -> None:
        """The container's process is killed; its tasks stay in the table until the scheduler misses them."""
        pod.tasks = []
        self.restart(pod, "Error", 137)

    def worker_says(self, pod: Pod, text: str, level: str = "INFO") -> None:
        """A line of Celery's own log."""
        at = obj.stamp(self.now)[:-1].replace("T", " ")
        self.log(f"pod.{pod.name}.log.gz", f"[{at},{int(self.now % 1 * 1000):03}: {level}/MainProcess] {text}")

    def restart(self, pod: Pod, reason: str, code: int) -> None:
        """The container ended; the kubelet starts it again after a back-off."""
        pod.last = {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                "startedAt": obj.stamp(pod.started or self.now),
                "finishedAt": obj.stamp(self.now),
            }
        }
        pod.restarts += 1
        pod.started, pod.consuming, pod.ready_at = None, None, None
        pod.waiting = "ContainerCreating" if pod.restarts == 1 else "CrashLoopBackOff"
        pod.next_at = self.now + (1 if pod.restarts == 1 else min(10 * 2 ** (pod.restarts - 2), 300))
        if pod.restarts > 1:
            self.event(
                "Pod",
                pod.name,
                "BackOff",
                f"Back-off restarting failed container worker in pod {pod.name}_{self.plan.namespace}({pod.uid})",
                kind="Warning",
                by="kubelet",
                uid=pod.uid,
            )

    def _stopping(self, pod: Pod) -> None:
        waited = self.now - (pod.stopping or self.now)
        if not self.plan.setsid and waited >= 0.5:
            self.lose(pod)
        if not pod.tasks and waited >= 1:
            pod.gone = self.now
        elif waited >= self.plan.grace:
            pod.last = {
                "terminated": {
                    "exitCode": 137,
                    "reason": "Error",
                    "startedAt": obj.stamp(pod.started or self.now),
                    "finishedAt": obj.stamp(self.now),
                }
            }
            pod.tasks, pod.gone = [], self.now

    def lose(self, pod: Pod) -> None:
        """SIGTERM reached the tasks: they fail at once."""
        for task, token in pod.tasks:
            if task.token == token and task.state == "running":
                self.airflow.end(task, self.now, ok=False)
        pod.tasks = []

    def _consume(self) -> None:
        if self.broken("db_locked") or self.broken("db_down"):
            return  # a task that can neither start nor say that it is over
        for pod in self.pods:
            self._finish(pod)
            self._calls(pod)
        if self.cut_off() or self.broken("broker_hung") or self.broken("deaf"):
            return
        free = [
            p
            for p in self.pods
            if p.consuming is not None and p.stopping is None and p.gone is None and not (p.frozen or p.deaf)
        ]
        for task in [t for t in self.airflow.messages if t.run.work.queue in self.plan.listens]:
            takers = [p for p in free if len(p.tasks) < self.plan.concurrency]
            if not takers:
                return
            pod = max(takers, key=lambda p: self.plan.concurrency - len(p.tasks))
            self.airflow.messages.remove(task)
            self.airflow.start(task, pod.name, self.now + self.dice.uniform(0.3, 0.9))
            pod.tasks.append((task, task.token))

    def cut_off(self) -> bool:
        """Whether workers cannot reach the broker and know it; one that hangs leaves them waiting in silence."""
        return self.broken("broker_refused") or self.broken("broker_cut")

    def _calls(self, pod: Pod) -> None:
        """Celery's attempts to reach the broker: after 2, 4, 6 up to 30 s."""
        if pod.consuming is None or pod.stopping is not None or pod.gone is not None:
            return
        if not self.cut_off():
            if pod.calls:
                self.worker_says(pod, "Connected to redis://redis:6379/0")
            pod.calls = 0
            return
        if not pod.calls and pod.consuming < self.now:
            self.worker_says(
                pod, "consumer: Connection to broker lost. Trying to re-establish the connection...", "WARNING"
            )
        if not pod.calls or self.now >= pod.calls_at:
            pod.calls += 1
            pod.calls_at = self.now + min(2 * pod.calls, 30)
            self.worker_says(
                pod,
                "consumer: Cannot connect to redis://redis:6379/0: Error 111 connecting to redis:6379. Connection refused..",
                "ERROR",
            )

    def _finish(self, pod: Pod) -> None:
        if pod.gone is not None:
            return
        for task, token in list(pod.tasks):
            if task.token != token or task.state != "running":
                pod.tasks.remove((task, token))
            elif pod.frozen:
                continue
            elif task.run.work.defers and task.fires_at is None and self.now >= (task.started_at or self.now) + 1:
                self.airflow.defer(task, self.now)
                pod.tasks.remove((task, token))
            elif self._is_over(task):
                self.airflow.end(task, self.now, ok=not task.dies_of_itself and not self._timed_out(task))
                pod.tasks.remove((task, token))
            elif self.every(5):
                task.beat = self.now

    def _is_over(self, task: Task) -> bool:
        runs = 2 if task.dies_of_itself else min(task.seconds, task.run.work.timeout or task.seconds)
        resumed = task.run.work.defers and task.fires_at is not None
        return (
            self.now
            >= (max(task.started_at or 0, task.queued_at or 0) if resumed else task.started_at or self.now) + runs
        )

    def _timed_out(self, task: Task) -> bool:
        """Whether the task's own limit ended it; its log says so."""
        work = task.run.work
        if not work.timeout or task.seconds <= work.timeout:
            return False
        name = f"task.{work.dag}.{task.run.run_id}.{task.task_id}.attempt={task.attempt}.log.gz"
        at = obj.stamp(self.now)[:-1]
        self.log(
            name, f"[{at}.{int(self.now % 1 * 1000):03}+0000] {{timeout.py:68}} ERROR - Process timed out, PID: 100"
        )
        return True
