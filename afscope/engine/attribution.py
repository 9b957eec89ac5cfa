"""Attribution: each waiting second of each attempt gets exactly one cause.

The sweep cuts time at every instant at which anything changes. Between two cuts each waiting attempt is in one stage:
run, schedule and limits by its own state; while it is queued, by the supply of its target (see `supply`). In its
stage the first claim down the chain that holds takes the second. A cap only binds where its holders really run; else
the cause is what the holders wait for. Where no claim holds, the second is the ordinary latency of the stage, up to
what the configured timers explain; beyond that it is `unknown`: better than a guess.

Here is what goes in and comes out; `sweep` does it.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from afscope.model.clock import Micros

UNKNOWN = "unknown"
# Ordinary latency of each stage, named as the observation that carries its price.
ORDINARY = {
    "run": "scheduler_latency", "schedule": "scheduler_latency", "limits": "scheduler_latency",
    "trigger": "activation_latency", "metric": "activation_latency", "decide": "activation_latency",
    "create": "activation_latency", "place": "activation_latency", "image": "activation_latency",
    "start": "activation_latency", "consume": "pickup_latency",
}  # fmt: skip
# What ordinary timers explain, in seconds per attempt and stage: scheduler loops of a busy scheduler (20 runs and 16
# tasks each, so that some hundred tasks take a minute), a controller's reaction, a scheduling cycle, an ordinary pull
# and an ordinary boot (tens of seconds).
BUDGET_S = {"run": 60, "schedule": 60, "limits": 60, "create": 15, "place": 15, "image": 90, "start": 90, "consume": 30}
# trigger: pollingInterval and the poll itself; decide: two HPA syncs (15 s each and their round trips), so that a
# ramp may take a sync for each doubling, counted anew after each decision.
POLL_SLACK_S, DECIDE_S = 10, 35
# A StatefulSet that creates its pods in order makes each wait for the boot of those before it.
ORDERED_CREATE_S = 60


@dataclass(slots=True)
class Waiter:
    """One attempt that waited: bounds of its phases, and where it belongs."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    attempt: int
    queue: str
    pool: str
    target: str
    counted: bool
    runnable_at: Micros
    run_started_at: Micros
    scheduled_at: Micros
    queued_at: Micros
    ended_at: Micros
    before: Micros = 0
    """How long it was in its first phase before the recording began: timers explain no more than they do."""
    running_at: Micros | None = None
    attempt_ended_at: Micros | None = None
    place: int = 0
    """Its place among all waiters in the order in which tasks take slots."""
    group: int = 0
    """Waiters of one group are bound by the same claims."""
    order: int = 0
    """Its place among all waiters in the order in which they came."""
    seconds: dict[tuple[str, str], Micros] = field(default_factory=lambda: defaultdict(int))
    spent: dict[str, Micros] = field(default_factory=dict)
    """What it used of each timer that explains ordinary latency."""

    def phase(self, at: Micros) -> str:
        """run, schedule, limits or worker."""
        if at < self.run_started_at:
            return "run"
        if at < self.scheduled_at:
            return "schedule"
        return "limits" if at < self.queued_at else "worker"

    @property
    def key(self) -> tuple[Micros, str, str, str, int, int]:
        """Order in which tasks take slots: first queued, first served."""
        return (self.queued_at, self.dag_id, self.run_id, self.task_id, self.map_index, self.attempt)


@dataclass(frozen=True, slots=True)
class Running:
    """A running attempt: it holds a slot of its worker, and places in its DAG, run and pool."""

    dag_id: str
    run_id: str
    pool: str
    host: str
    start: Micros
    end: Micros


@dataclass(slots=True)
class Attribution:
    """The result: waiters with their seconds, seconds per claim instance, and the strip per target."""

    waiters: list[Waiter]
    claim_seconds: dict[tuple[str, str, str, str], Micros]
    strip: list[tuple[Micros, Micros, str, str, int]]
