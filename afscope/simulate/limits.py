"""Airflow's limits in a simulation: runs of a DAG, tasks of a DAG, slots of a pool, parallelism.

Blocked jobs wait in one heap per DAG and pool, so that the end of a task looks only at those it can help.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Sequence

from afscope.model.clock import Micros
from afscope.simulate.demand import Job
from afscope.simulate.world import Caps

_UNLIMITED = 1 << 60
Bucket = tuple[str, str]


class Limits:
    """Who may be queued. A queued or running job holds its places until `give`."""

    def __init__(self, caps: Caps, jobs: Sequence[Job], running: frozenset[tuple[str, str]]) -> None:
        self._caps, self._jobs = caps, jobs
        self._dag: dict[str, int] = defaultdict(int)
        self._pool: dict[str, int] = defaultdict(int)
        self._all = 0
        self._blocked: dict[Bucket, list[tuple[int, int, int]]] = {}
        self._of_dag: dict[str, set[Bucket]] = defaultdict(set)
        self._of_pool: dict[str, set[Bucket]] = defaultdict(set)
        self._order = 0
        self._left: dict[tuple[str, str], int] = defaultdict(int)
        for job in jobs:
            self._left[job.run] += 1
        self._active: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for run in running:
            if self._left.get(run):
                self._active[run[0]].add(run)
        self._runs_waiting: dict[str, deque[tuple[str, str]]] = defaultdict(deque)
        self._held: dict[tuple[str, str], list[int]] = {}

    def ask(self, number: int, now: Micros) -> bool:
        """Whether a job that could be queued now is; it then holds its places. Else it waits for `give`."""
        job = self._jobs[number]
        if not self._run_starts(job, now):
            self._held.setdefault(job.run, []).append(number)
            return False
        return self._queue_or_block(number, now)

    def give(self, number: int, now: Micros, *, final: bool = True) -> list[int]:
        """A job is over: the jobs that are queued in its place. `final` is False for one that will be tried again."""
        job = self._jobs[number]
        self._dag[job.dag] -= 1
        self._pool[job.pool] -= job.pool_slots
        full = self._all >= self._caps.parallelism
        self._all -= 1
        queued = self._run_ends(job.run, now) if final else []
        near = set(self._blocked) if full else self._of_dag[job.dag] | self._of_pool[job.pool]
        while (best := self._best(near, now)) is not None:
            heap = self._blocked[best]
            number = heapq.heappop(heap)[2]
            if not heap:
                self._forget(best)
            self._take(self._jobs[number])
            queued.append(number)
        return queued

    def _run_starts(self, job: Job, now: Micros) -> bool:
        active = self._active[job.dag]
        if job.run in active:
            return True
        cap = self._caps.dag_runs.get(job.dag)
        waiting = self._runs_waiting[job.dag]
        if cap is not None and len(active) >= max(1, cap.at(now)):
            if job.run not in self._held:
                waiting.append(job.run)
            return False
        active.add(job.run)
        return True

    def _run_ends(self, run: tuple[str, str], now: Micros) -> list[int]:
        """Counts a job of the run as done; with the last one the next run of the DAG starts."""
        self._left[run] -= 1
        if self._left[run] > 0:
            return []
        active, waiting = self._active[run[0]], self._runs_waiting[run[0]]
        active.discard(run)
        cap = self._caps.dag_runs.get(run[0])
        most = _UNLIMITED if cap is None else max(1, cap.at(now))
        queued = []
        while waiting and len(active) < most:
            following = waiting.popleft()
            active.add(following)
            queued += [number for number in self._held.pop(following, ()) if self._queue_or_block(number, now)]
        return queued

    def _queue_or_block(self, number: int, now: Micros) -> bool:
        job = self._jobs[number]
        if self._fits(job, now):
            self._take(job)
            return True
        bucket = (job.dag, job.pool)
        self._order += 1
        heapq.heappush(self._blocked.setdefault(bucket, []), (-job.priority, self._order, number))
        self._of_dag[job.dag].add(bucket)
        self._of_pool[job.pool].add(bucket)
        return False

    def _fits(self, job: Job, now: Micros) -> bool:
        if self._all >= self._caps.parallelism:
            return False
        cap = self._caps.dag_tasks.get(job.dag)
        if cap is not None and self._dag[job.dag] >= cap.at(now):
            return False
        pool = self._caps.pools.get(job.pool)
        # A pool of -1 slots is endless.
        if pool is None or (slots := pool.at(now)) < 0:
            return True
        return self._pool[job.pool] + job.pool_slots <= slots

    def _best(self, buckets: set[Bucket], now: Micros) -> Bucket | None:
        """The bucket whose first job fits and comes first: by priority, then by age."""
        best: tuple[tuple[int, int, int], Bucket] | None = None
        for bucket in buckets:
            heap = self._blocked.get(bucket)
            if heap and (best is None or heap[0] < best[0]) and self._fits(self._jobs[heap[0][2]], now):
                best = heap[0], bucket
        return None if best is None else best[1]

    def _forget(self, bucket: Bucket) -> None:
        del self._blocked[bucket]
        self._of_dag[bucket[0]].discard(bucket)
        self._of_pool[bucket[1]].discard(bucket)

    def _take(self, job: Job) -> None:
        self._dag[job.dag] += 1
        self._pool[job.pool] += job.pool_slots
        self._all += 1
