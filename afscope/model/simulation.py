"""What the simulation says of one target: how well it re-derives what was recorded, and what would have happened."""

import msgspec

from afscope.model.clock import Micros

WRITE, SYNC = "write", "sync"


class Mismatch(msgspec.Struct, frozen=True):
    """A recorded decision that the rules do not reach from the recorded inputs.

    `kind` is write or sync; `because` says what the recorder did not know.
    """

    at: Micros
    kind: str
    target: str
    recorded: str
    expected: str
    because: str


class Fidelity(msgspec.Struct, frozen=True):
    """How many recorded decisions the rules reach from the intervals of their inputs.

    Writes are changes of spec.replicas by KEDA and the HPA, syncs the HPA's other status changes. `unobservable` are
    syncs that must have happened and left no trace. `metric_width` is the median width of the metric's interval at a
    decision, in replicas. `trusted` tells whether a what-if may build on it, `because` why or why not.
    """

    writes_total: int
    writes_matched: int
    syncs_observed: int
    syncs_matched: int
    unobservable: int
    mismatches: tuple[Mismatch, ...]
    metric_width: float
    trusted: bool
    because: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of the work under some settings.

    `set` are the settings that differ from the recorded ones. Waits are seconds from runnable to running; work that
    still waits at the end counts what it waited. `lost_task_seconds` is work that scale-ins killed. `pod_hours` count
    to the end of the capture, or to the last task's end where that is later. `ci` has 95 % intervals over the draws,
    by field name; empty where nothing was drawn. `replicas` are the steps of spec.replicas, the first one at the
    start. `finished_at` is when the last task was done, None where some never were; `unfinished` counts those.
    """

    set: dict[str, str]
    wait_p50_s: float
    wait_p95_s: float
    wait_total_s: float
    lost_task_seconds: float
    pod_hours: float
    ci: dict[str, tuple[float, float]]
    replicas: tuple[tuple[Micros, int], ...]
    finished_at: Micros | None
    unfinished: int = 0


class Bill(msgspec.Struct, frozen=True):
    """What scale-to-zero costs: waiting for cold starts against pod-hours that would stand idle without it.

    `cold_starts` are activations from zero in the simulated baseline; `warm` is the smallest minReplicaCount that
    avoids them. `waiting_saved_s` and `idle_pod_hours` compare it with the baseline. `cron` is a ready KEDA trigger
    (YAML) where the schedules make the demand predictable, empty where they do not; `because` says why.
    """

    cold_starts: int
    warm: int
    waiting_saved_s: float
    idle_pod_hours: float
    cron: str
    because: str


class Simulation(msgspec.Struct, frozen=True):
    """One target: `recorded` is measured, `baseline` simulated with the settings as they were.

    `notes` are assumptions that the recording could not replace by measurements, as sentences.
    """

    target: str
    fidelity: Fidelity
    recorded: Outcome
    baseline: Outcome
    variants: tuple[Outcome, ...]
    bill: Bill | None = None
    notes: tuple[str, ...] = ()
    draws: int = 0
