"""How far the clocks of the sources differ, from what cannot have happened in another order.

Of two clocks each pair of a cause and its effect bounds the difference: an effect that seems to come before its cause
shows that its clock is behind. Airflow's tables hold two clocks, the scheduler's and the workers' (airflow 1.2).
"""

from collections.abc import Mapping

from afscope.model.capture import ClockOffset
from afscope.model.clock import SECOND, Micros
from afscope.model.row import Row

# Bounds wider than this say nothing that a person would not guess.
_WIDE: Micros = 120 * SECOND
_FEW = 3


class _Bounds:
    """How far a clock may be ahead: at least `low`, at most `high`; the second-most extreme, as one pair may be odd."""

    def __init__(self) -> None:
        self.low: list[Micros] = []
        self.high: list[Micros] = []

    def at_least(self, offset: Micros) -> None:
        self.low = sorted([*self.low, offset], reverse=True)[:_FEW]

    def at_most(self, offset: Micros) -> None:
        self.high = sorted([*self.high, offset])[:_FEW]

    def offset(self) -> ClockOffset | None:
        if len(self.low) < _FEW or len(self.high) < _FEW:
            return None
        low, high = self.low[1], self.high[1]
        if low > high or high - low > 2 * _WIDE:
            return None
        middle = (low + high) // 2
        # clocks that may agree are taken to agree
        value = 0 if low <= 0 <= high else middle
        return ClockOffset(value, max(abs(high - value), abs(value - low)))


class Clocks:
    """Listens to the rows of an import."""

    def __init__(self) -> None:
        self._workers = _Bounds()
        self._pods = _Bounds()
        self._logs: dict[str, _Bounds] = {}
        self._containers: dict[str, tuple[Micros, Micros | None]] = {}
        self._ran: dict[str, tuple[Micros, Micros]] = {}
        self._finished: dict[tuple[str, str], Micros] = {}

    def see(self, row: Row) -> None:
        """Takes note of a row that holds two clocks, or one of something that another source dates as well."""
        values = row.values
        if row.table == "task_instances":
            self._task(values)
        elif row.table == "pods" and (name := values.get("name")):
            if started := values.get("started_at"):
                self._containers[name] = (started, values.get("finished_at"))
        elif row.table == "log_lines" and (pod := values.get("pod")):
            first, last = self._ran.get(f"log {pod}", (values["ts"], values["ts"]))
            self._ran[f"log {pod}"] = min(first, values["ts"]), max(last, values["ts"])

    def _task(self, values: Mapping[str, object]) -> None:
        queued, start, end, state = (values.get(name) for name in ("queued_dttm", "start_date", "end_date", "state"))
        if not isinstance(start, int) or state not in ("running", "success", "failed"):
            return
        host = str(values.get("hostname") or "").split(".", maxsplit=1)[0]
        if isinstance(queued, int) and start > queued - _WIDE:
            # a worker starts after the scheduler queued: where it seems otherwise, its clock is behind
            self._workers.at_most(start - queued)
        if host:
            first, last = self._ran.get(host, (start, start))
            over = end if isinstance(end, int) else start
            self._ran[host] = min(first, start), max(last, over)

    def offsets(self) -> dict[str, ClockOffset]:
        """Offsets by source, as far as anything bounds them: of workers against the scheduler, of logs against pods."""
        found: dict[str, ClockOffset] = {}
        if len(self._workers.high) == _FEW and self._workers.high[1] < -SECOND:
            behind = self._workers.high[1]
            found["workers"] = ClockOffset(behind, abs(behind))
        for name, (started, finished) in self._containers.items():
            for key, source in ((name, "airflow_db"), (f"log {name}", "logs")):
                if (span := self._ran.get(key)) is not None:
                    bounds = self._logs.setdefault(source, _Bounds())
                    bounds.at_most(span[0] - started)
                    if finished:
                        bounds.at_least(span[1] - finished)
        for source, bounds in self._logs.items():
            if (offset := bounds.offset()) is not None:
                found[source] = offset
            elif len(bounds.high) >= _FEW and bounds.high[1] < -SECOND:
                found[source] = ClockOffset(bounds.high[1], abs(bounds.high[1]))
        return found
