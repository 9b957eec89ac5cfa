"""What is remembered of objects changes nothing: rows, patches and counts are those of a normalizer without memory."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from afscope.model.clock import SECOND
from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor
from afscope.store.objects import ObjectBodies
from afscope.store.rows import encode_values
from afscope.store.schema import TABLES

CANARY = "s3cr3t-c4n4ry"
START = 1_790_000_000 * SECOND
COLUMNS = TABLES["objects"].column_names()
Json = dict[str, Any]
WORDS = ("", "turn", f"password={CANARY}", f"postgres://u:{CANARY}@db/x", "é ünï", 'a "quote"', None)


def pod(number: int) -> Json:
    return {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": f"w-{number}", "namespace": "air", "uid": f"u-{number}", "resourceVersion": "1", "generation": 4711,
            "creationTimestamp": "2026-09-21T14:00:00Z", "labels": {"component": "worker"},
            "annotations": {"team.example/x": CANARY}, "ownerReferences": [{"kind": "ReplicaSet", "name": "w-1"}],
            "managedFields": [{"manager": "kubelet", "time": "2026-09-21T14:00:01Z",
                               "fieldsV1": {"f:status": {'k:{"type":"Ready"}': {}}}}],
        },
        "spec": {
            "nodeName": "n", "terminationGracePeriodSeconds": 600,
            "containers": [{"name": "worker", "args": ["celery", "worker", "--password", CANARY], "env": [
                {"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "8"}, {"name": "OTHER", "value": CANARY},
                {"name": "AIRFLOW__LOGGING__LOGGING_LEVEL", "value": f"token={CANARY}"}],
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
            "padding": "x" * 1500,
        },
        "status": {
            "phase": "Running", "qosClass": "Burstable", "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-09-21T14:00:09Z"}],
            "containerStatuses": [{"name": "worker", "ready": True, "restartCount": 0, "image": "i",
                                   "state": {"running": {"startedAt": "2026-09-21T14:00:08Z"}}}],
        },
    }  # fmt: skip


def time_of(dice: random.Random) -> str:
    return f"2026-09-21T14:{dice.randrange(60):02}:{dice.randrange(60):02}Z"


def spoilt(value: Any, dice: random.Random) -> Any:
    return dice.choice((None, 7, 1.5, True, "text", [], {}, {"a": None}, {"x": 1}))


def condition(body: Json, dice: random.Random) -> None:
    body["status"]["conditions"] = [
        {"type": kind, "status": dice.choice(("True", "False")), "message": dice.choice(WORDS),
         "lastTransitionTime": time_of(dice)} for kind in ("Ready", "PodScheduled", "Initialized")[: dice.randrange(4)]
    ]  # fmt: skip


def container(body: Json, dice: random.Random) -> None:
    ended = {
        "reason": "Error",
        "exitCode": dice.randrange(3),
        "finishedAt": time_of(dice),
        "message": dice.choice(WORDS),
    }
    body["status"][dice.choice(("containerStatuses", "initContainerStatuses"))] = [
        {"name": "worker", "restartCount": dice.randrange(3), "lastState": {"terminated": ended},
         "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    ]  # fmt: skip


def words(body: Json, dice: random.Random) -> None:
    body["status"]["message"] = dice.choice(WORDS)
    body["status"][dice.choice(("reason", "phase"))] = dice.choice(("Evicted", "Failed", "", None))


def metadata(body: Json, dice: random.Random) -> None:
    key, value = dice.choice((
        ("labels", {"component": dice.choice(("worker", "scheduler"))}), ("labels", {"dag_id": "d", "x": f"token={CANARY}"}),
        ("annotations", {"x": dice.choice(WORDS)}), ("deletionTimestamp", time_of(dice)), ("generation", 2),
        ("managedFields", [{"manager": "x", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]), ("dsn", CANARY),
    ))  # fmt: skip
    body["metadata"][key] = value


def spec(body: Json, dice: random.Random) -> None:
    body["spec"]["containers"][0]["args"] = ["worker", "-c", str(dice.randrange(9)), dice.choice(WORDS) or "-q"]
    body["spec"]["nodeName"] = dice.choice(("n", "m"))


def less(body: Json, dice: random.Random) -> None:
    part = body[dice.choice(("metadata", "status"))]
    if victims := [key for key in part if key not in ("uid", "name")]:
        del part[dice.choice(victims)]


def shuffled(body: Json, dice: random.Random) -> None:
    for part in (body, body["metadata"], body["status"]):
        items = list(part.items())
        dice.shuffle(items)
        part.clear()
        part.update(items)


def odd(body: Json, dice: random.Random) -> None:
    part = body[dice.choice(("metadata", "status"))]
    if victims := [key for key in part if key not in ("uid", "name", "managedFields")]:
        key = dice.choice(victims)
        part[key] = spoilt(part[key], dice)


CHANGES: tuple[Callable[[Json, random.Random], None], ...] = (
    condition, container, words, metadata, spec, less, shuffled, odd,
)  # fmt: skip


def history(seed: int, length: int = 120) -> Iterator[tuple[str, bytes]]:
    """Updates of three pods; each is what it was but for a change or two, and now and then it is new again."""
    dice = random.Random(seed)
    live: dict[int, Json] = {}
    for version in range(length):
        number = dice.randrange(3)
        known = number in live
        body = live.setdefault(number, pod(number))
        body["metadata"]["resourceVersion"] = str(version)
        for change in dice.sample(CHANGES, dice.randrange(3)) if known else ():
            change(body, dice)
        if known and dice.random() < 0.1:
            del live[number]
            yield "DELETED", msgspec.json.encode(body)
        else:
            yield "MODIFIED" if known else "ADDED", msgspec.json.encode(body)


class Recorder:
    """A normalizer and what the store makes of bodies."""

    def __init__(self, remembered: int, *, plain: bool) -> None:
        self.kube = KubeNormalizer(Redactor(), remembered=remembered)
        self._chains = ObjectBodies()
        self._plain = plain

    def see(self, change: str, raw: bytes, at: int) -> list[Any]:
        out: list[Any] = []
        for row in self.kube.observe(change, raw, at, kind="Pod"):
            values = dict(row.values)
            if row.table == "objects":
                values["body"] = str(values["body"]) if self._plain else values["body"]
                values = dict(zip(COLUMNS, self._chains.shrink([values[name] for name in COLUMNS]), strict=True))
            out.append((row.table, values))
        return out

    def keyframe(self, at: int) -> list[bytes]:
        return [encode_values(row) for row in self._chains.keyframe(at)]

    def counted(self) -> tuple[dict[str, int], list[str]]:
        return dict(self.kube.redactor.counts), self.kube.problems


@pytest.mark.parametrize("seed", range(40))
def test_memory_changes_no_row_no_patch_and_no_count(seed: int) -> None:
    ours, forgetful = Recorder(1 << 20, plain=False), Recorder(0, plain=True)
    for turn, (change, raw) in enumerate(history(seed)):
        at = START + turn * SECOND
        rows = ours.see(change, raw, at)
        assert rows == forgetful.see(change, raw, at), raw
        assert CANARY not in str(rows)
        assert ours.counted() == forgetful.counted(), raw
    assert ours.keyframe(START * 2) == forgetful.keyframe(START * 2)


def test_a_small_memory_forgets_who_was_longest_unheard() -> None:
    ours, forgetful = Recorder(40_000, plain=False), Recorder(0, plain=True)
    raws = [msgspec.json.encode(pod(number)) for number in (0, 1, 2, 3, 0, 3, 2, 1, 0)]
    for turn, raw in enumerate(raws):
        assert ours.see("MODIFIED", raw, START + turn) == forgetful.see("MODIFIED", raw, START + turn)
    bodies = ours.kube._bodies
    assert 0 < len(bodies._known) < 4
    assert bodies._bytes == sum(known.size for known in bodies._known.values()) <= 40_000


def test_what_was_deleted_is_not_remembered() -> None:
    ours = Recorder(1 << 20, plain=False)
    ours.see("ADDED", msgspec.json.encode(pod(1)), START)
    ours.see("DELETED", msgspec.json.encode(pod(1)), START + 1)
    assert ours.kube._bodies._bytes == 0
