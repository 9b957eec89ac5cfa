"""The phases of a scaling episode: who carried which stage from when to when, and the rows that show it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from afscope.engine.words import say
from afscope.model.clock import SECOND, Micros, from_datetime
from afscope.model.finding import Evidence
from afscope.model.timeline import Decision, Phase

AUTHORS = {"keda": "keda-operator", "hpa": "hpa"}
"""Authors of decisions that are components of the chain; others keep the name of their field manager."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """What one episode is told from. `gone` is when demand was over, None while it lasts; `end` the capture's."""

    target: str
    started: Micros
    gone: Micros | None
    end: Micros
    size_before: int
    ups: Sequence[Decision]
    downs: Sequence[Decision]
    pods: Sequence[Row]
    """Worker pods that the episode's decisions created, as rows of `worker_pods`."""
    stopped: Sequence[Row]
    """Worker pods that were told to stop after demand was gone."""
    answers: Sequence[Row]
    """Rows of `metric_seen`, in the order of time."""
    first_task: Evidence | None
    lang: str = "en"

    def say(self, key: str, **values: Any) -> str:
        """A phase's sentence in the scene's language."""
        return say(self.lang, key, **values)


def phases(scene: Scene) -> Iterator[Phase]:
    """In the order of the chain; a phase without an end was still going on."""
    yield from _trigger(scene)
    yield from _metric(scene)
    yield from _decide(scene)
    yield from _create(scene)
    yield from _boot(scene)
    yield from _consume(scene)
    if scene.first_task is not None:
        yield Phase("execute", scene.first_task.ts, scene.gone, "worker", scene.say("p_execute"), (scene.first_task,))
    yield from _scale_in(scene)


def _step(decision: Decision) -> str:
    return f"{decision.before} -> {decision.after}"


def _write(decision: Decision) -> Evidence:
    """The row that shows a decision."""
    text = f"spec.replicas {_step(decision)} by {decision.author}"
    return Evidence("workloads", decision.at, decision.target, text)


def _trigger(scene: Scene) -> Iterator[Phase]:
    """From demand to activation; nothing to do where workers were there already."""
    if scene.size_before > 0:
        return
    if not scene.ups:
        yield Phase("trigger", scene.started, scene.gone, "keda-operator", scene.say("p_stayed"))
        return
    first = scene.ups[0]
    reason = f": {first.reason}" if first.reason else ""
    author = AUTHORS.get(first.author, first.author)
    yield Phase("trigger", scene.started, first.at, author, f"{_step(first)}{reason}", (_write(first),))


def _asked_from(scene: Scene) -> Micros | None:
    """Since when the HPA is at work on this demand: from zero, once somebody activated."""
    if scene.size_before > 0:
        return scene.started
    return scene.ups[0].at if scene.ups else None


def _metric(scene: Scene) -> Iterator[Phase]:
    """From there until the HPA was told of demand."""
    since = _asked_from(scene)
    if since is None:
        return
    told = [row for row in scene.answers if since <= from_datetime(row["moment"]) <= (scene.gone or scene.end)]
    first = next((row for row in told if row["answered"] and (row["workers"] or 0) > 0), None)
    failed = [row for row in told if not row["answered"] and row["active_reason"] != "ScalingDisabled"]
    if first is None and not failed:
        return
    at = None if first is None else from_datetime(first["moment"])
    before = [row for row in failed if at is None or from_datetime(row["moment"]) < at]
    text = scene.say("p_no_value") if first is None else scene.say("p_told", n=f"{first['workers']:g}")
    text += scene.say("p_after", n=len(before)) if before else ""
    shown = [_status(row) for row in (*before[:1], *([first] if first else ()))]
    yield Phase("metric", since, at, "keda-metrics-apiserver", text, tuple(shown))


def _status(row: Row) -> Evidence:
    said = f"{row['workers']:g} worker(s)" if row["answered"] and row["workers"] is not None else row["active_reason"]
    return Evidence("hpas", from_datetime(row["moment"]), row["key"], f"{row['active_reason']}: {said}")


def _decide(scene: Scene) -> Iterator[Phase]:
    steps = [d for d in scene.ups if scene.size_before > 0 or d is not scene.ups[0]]
    since = _asked_from(scene)
    if not steps or since is None:
        return
    authors = list(dict.fromkeys(AUTHORS.get(d.author, d.author) for d in steps))
    text = ", ".join(_step(d) for d in steps)
    yield Phase("decide", since, steps[-1].at, ", ".join(authors), text, tuple(map(_write, steps)))


def _create(scene: Scene) -> Iterator[Phase]:
    """From the first step up to the last pod that it asked for."""
    if not scene.ups:
        return
    asked = max(d.after for d in scene.ups) - scene.size_before
    made = sorted(scene.pods, key=lambda pod: pod["created_at"])
    # creationTimestamp has whole seconds: it may lie before the write that it follows
    done = max(scene.ups[0].at, from_datetime(made[-1]["created_at"])) if len(made) >= asked > 0 else None
    shown = tuple(_pod(pod, "created_at", "created") for pod in made[-1:])
    yield Phase("create", scene.ups[0].at, done, "workload", scene.say("p_created", n=len(made), of=asked), shown)


def _pod(pod: Row, column: str, text: str) -> Evidence:
    return Evidence("pods", from_datetime(pod[column]), f"{pod['namespace']}/{pod['name']}", text)


def _boot(scene: Scene) -> Iterator[Phase]:
    """place, image and start over all pods of the episode: from the first that entered to the last that left."""
    for stage, since, until, author in (
        ("place", "created_at", "scheduled_at", "nodes"),
        ("image", "scheduled_at", "started_at", "image"),
        ("start", "started_at", "consuming_at", "worker"),
    ):
        entered = [pod for pod in scene.pods if pod[since]]
        if not entered:
            continue
        left = [pod for pod in entered if pod[until]]
        seconds = {id(pod): max(0.0, (pod[until] - pod[since]).total_seconds()) for pod in left}
        slowest = max(left, key=lambda pod: seconds[id(pod)], default=None)
        text = scene.say("p_pods", n=len(left), of=len(entered))
        shown: tuple[Evidence, ...] = ()
        if slowest is not None:
            text += scene.say("p_slowest", seconds=f"{seconds[id(slowest)]:.1f}")
            shown = (_pod(slowest, until, f"{until} after {seconds[id(slowest)]:.1f} s, the slowest"),)
        done = max(from_datetime(pod[until]) for pod in left) if len(left) == len(entered) else None
        yield Phase(stage, min(from_datetime(pod[since]) for pod in entered), done, author, text, shown)


def _consume(scene: Scene) -> Iterator[Phase]:
    """From the first worker that consumed to the first task taken. None taken: from then on."""
    ready = sorted((pod for pod in scene.pods if pod["consuming_at"]), key=lambda pod: pod["consuming_at"])
    if not ready:
        return
    since = from_datetime(ready[0]["consuming_at"])
    taken = scene.first_task.ts if scene.first_task else None
    if taken is not None and taken < since:
        return
    after = None if taken is None else f"{(taken - since) / SECOND:.1f}"
    text = scene.say("p_none_taken") if after is None else scene.say("p_first_task", seconds=after)
    yield Phase("consume", since, taken, "broker", text, (_pod(ready[0], "consuming_at", "consumes"),))


def _scale_in(scene: Scene) -> Iterator[Phase]:
    """From demand gone to the last step down, then until the pods are gone."""
    if scene.gone is None or not scene.downs:
        return
    last = scene.downs[-1]
    author = AUTHORS.get(last.author, last.author)
    steps = ", ".join(_step(d) for d in scene.downs)
    reason = f": {last.reason}" if last.reason else ""
    yield Phase("decide", scene.gone, last.at, author, f"{steps}{reason}", tuple(map(_write, scene.downs)))
    left = [pod for pod in scene.stopped if pod["gone_at"]]
    done = max((from_datetime(pod["gone_at"]) for pod in left), default=last.at)
    text = scene.say("p_gone", n=len(left), of=len(scene.stopped))
    shown: tuple[Evidence, ...] = ()
    if left:
        slowest = max(left, key=lambda pod: pod["gone_at"] - pod["stopping_at"])
        text += scene.say("p_slowest", seconds=f"{(slowest['gone_at'] - slowest['stopping_at']).total_seconds():.1f}")
        shown = (_pod(slowest, "gone_at", "gone, the slowest"),)
    since = min((from_datetime(pod["stopping_at"]) for pod in scene.stopped), default=last.at)
    ended = max(since, done) if len(left) == len(scene.stopped) else None
    yield Phase("drain", since, ended, "worker", text, shown)
