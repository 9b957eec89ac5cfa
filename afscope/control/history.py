"""What the HPA controller remembers of one HPA between syncs. It lives in the memory of kube-controller-manager:
a restart, a failover or a new HPA object loses it (horizontal.go; KEDA's pause deletes the HPA, so it loses it too).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from afscope.control.hpa import Behavior
from afscope.model.clock import SECOND, Micros


class Sample(NamedTuple):
    """A number of replicas and when it was recommended, or by how many replicas the HPA moved and when."""

    replicas: int
    at: Micros


@dataclass(frozen=True, slots=True)
class History:
    """Recommendations (before stabilization and limits), scale-ups and scale-downs.

    `recommendations` is None until the first sync seeds it. Slots of outdated samples are reused, as the controller
    does, so the order is not that of time.
    """

    recommendations: tuple[Sample, ...] | None = None
    ups: tuple[Sample, ...] = ()
    downs: tuple[Sample, ...] = ()

    def seeded(self, replicas: int, now: Micros) -> "History":
        """With the seed of a first sync: the current size counts as a recommendation made now."""
        return self if self.recommendations is not None else replace(self, recommendations=(Sample(replicas, now),))

    def recommended(self, replicas: int, now: Micros, cutoff: Micros) -> "History":
        """With one more recommendation; it takes the last slot older than `cutoff`, if any."""
        return replace(
            self, recommendations=_put(self.recommendations or (), Sample(replicas, now), lambda old: old.at < cutoff)
        )

    def scaled(self, before: int, after: int, behavior: Behavior | None, now: Micros) -> "History":
        """With a successful write. Nothing is stored without a behavior (storeScaleEvent)."""
        if behavior is None or before == after:
            return self
        rules = behavior.up if after > before else behavior.down
        cutoff = now - rules.longest_period_s * SECOND
        change = Sample(abs(after - before), now)
        if after > before:
            return replace(self, ups=_put(self.ups, change, lambda old: old.at < cutoff))
        return replace(self, downs=_put(self.downs, change, lambda old: old.at < cutoff))


def moved(samples: tuple[Sample, ...], period_s: int, now: Micros) -> int:
    """Replicas moved within the period; a move exactly one period ago no longer counts (getReplicasChangePerPeriod)."""
    return sum(sample.replicas for sample in samples if sample.at > now - period_s * SECOND)


def _put(samples: tuple[Sample, ...], new: Sample, stale: Callable[[Sample], bool]) -> tuple[Sample, ...]:
    slots = [index for index, sample in enumerate(samples) if stale(sample)]
    if not slots:
        return (*samples, new)
    return (*samples[: slots[-1]], new, *samples[slots[-1] + 1 :])
