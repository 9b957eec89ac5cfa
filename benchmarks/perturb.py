"""One recording in many disguises: what a verdict has to survive."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks import wire
from benchmarks.recorded import DB, TIME, Line, Recording, meta, names, owner, release, row_key, shifted

_WORDS = ("amber", "basalt", "cobalt", "dune", "ember", "fjord", "garnet", "harbor", "indigo", "juniper")


def variants(recording: Recording, dice: random.Random) -> Iterator[tuple[str, Recording]]:
    """Name and perturbed recording."""
    yield "renamed", another_day(renamed(recording, dice), dice)
    yield "skewed", skewed(recording, dice)
    yield "statefulset", as_statefulset(recording)
    yield "holes", holes(recording, dice)
    yield "late", late(recording)
    for stream in ("events", "pods", "horizontalpodautoscalers", "scaledobjects", "deployments"):
        yield f"without_{stream}", without(recording, f"k8s/{stream}.jsonl.gz")
    yield "without_logs", replace(recording, logs={})
    yield "stretched", stretched(recording, 1.4)
    yield "compressed", stretched(recording, 0.8)
    yield from wire.variants(recording, dice)
    yield "without_db", without(recording, DB)


def renamed(recording: Recording, dice: random.Random) -> Recording:
    """Other names for the namespace, the release, DAGs, pools and nodes; queues stay, because the query names them."""
    old = names(recording)
    fresh = iter(dice.sample([f"{a}-{b}" for a in _WORDS for b in _WORDS if a != b], len(old)))
    new = {name: next(fresh).replace("-", "_" if "_" in name else "-") for name in sorted(old)}
    word = re.compile(r"(?<![A-Za-z0-9])(" + "|".join(map(re.escape, sorted(new, key=len, reverse=True))) + r")(?![A-Za-z0-9]|://|\.cfg|\.)")  # fmt: skip
    prefix = re.compile(rf"(?<![A-Za-z0-9]){re.escape(release(recording))}-(?=worker|scheduler|api-server|dag-proc)")
    return recording.reworded(lambda text: prefix.sub("orbit-", word.sub(lambda m: new[m[1]], text)))


def another_day(recording: Recording, dice: random.Random) -> Recording:
    """Whole days later or earlier, everywhere."""
    days = dice.choice([-400, -31, 17, 90])
    dates = {datetime.fromtimestamp(recording.start + s).date() for s in (-86400, 0, 86400)}
    moved = {day: day + timedelta(days=days) for day in dates}
    pairs = {f"{a:%Y-%m-%d}": f"{b:%Y-%m-%d}" for a, b in moved.items()}
    klog = {f"{a:%m%d}": f"{b:%m%d}" for a, b in moved.items()}
    date = re.compile("|".join(pairs))
    head = re.compile(rf"^([IWEF])({'|'.join(klog)})(?= \d\d:)")

    def change(text: str) -> str:
        return head.sub(lambda m: m[1] + klog[m[2]], date.sub(lambda m: pairs[m[0]], text))

    out = recording.reworded(change)
    for lines in out.streams.values():
        for line in lines:
            line["t"] += days * 86400
    return out


def skewed(recording: Recording, dice: random.Random) -> Recording:
    """The cluster's own clock is off by more than a second; the recorder and Airflow agree."""
    by = dice.choice([-1.6, -0.9, 0.9, 1.6])
    streams = {
        name: lines if name == DB else [{**line, "object": shifted(line.get("object"), by)} for line in lines]
        for name, lines in recording.streams.items()
    }
    return replace(recording, streams=streams)


def stretched(recording: Recording, by: float) -> Recording:
    """Everything takes `by` times as long, timers included: polls, cooldown, syncs, boots, tasks."""
    start = recording.start

    def moment(match: re.Match[str]) -> str:
        then = datetime.fromisoformat(match[0] + "+00:00").timestamp()
        when = datetime.fromtimestamp(start + (then - start) * by, UTC).replace(tzinfo=None)
        return when.isoformat(timespec="microseconds" if "." in match[0] else "seconds")

    timer = re.compile(
        r'"(pollingInterval|cooldownPeriod|deletionGracePeriodSeconds|terminationGracePeriodSeconds)": (\d+)'
    )
    out = recording.reworded(
        lambda text: timer.sub(lambda m: f'"{m[1]}": {round(int(m[2]) * by)}', TIME.sub(moment, text))
    )
    for line in (line for lines in out.streams.values() for line in lines):
        line["t"] = start + (line["t"] - start) * by
    # a request hangs for the API server's 60 s, which nobody configures: stretched, its begin cannot be told
    hangs = by > 1 and "external_metric_timeout" in out.label["root_causes"]
    # log lines keep their own times, in formats of their own: without logs rather than with wrong ones
    return replace(out, logs={}, label={**out.label, **({"partial": True} if hangs else {})})


def as_statefulset(recording: Recording) -> Recording:
    """The workers belong to a StatefulSet: no ReplicaSet in between."""
    name = f"{release(recording)}-worker"
    deployments = recording.streams["k8s/deployments.jsonl.gz"]
    uid = next((meta(line).get("uid") for line in deployments if meta(line).get("name") == name), None)
    if uid is None:
        return recording
    sets = {meta(line).get("uid") for line in recording.streams["k8s/replicasets.jsonl.gz"] if owner(line) == uid}
    controller = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid, "controller": True}

    def change(stream: str, line: Line) -> Line:
        text = json.dumps(line)
        for replica_set in filter(None, sets):
            text = text.replace(str(replica_set), str(uid))
        line = json.loads(text.replace('"kind": "ReplicaSet"', '"kind": "StatefulSet"'))
        if owner(line) == uid:
            meta(line)["ownerReferences"] = [controller]
        spec = (line.get("object") or {}).get("spec") or {}
        if (
            stream in ("k8s/scaledobjects.jsonl.gz", "k8s/horizontalpodautoscalers.jsonl.gz")
            and "scaleTargetRef" in spec
        ):
            spec["scaleTargetRef"]["kind"] = "StatefulSet"
        if meta(line).get("uid") == uid:
            line["object"]["kind"] = "StatefulSet"
        return line

    streams = {n: [change(n, line) for line in lines] for n, lines in recording.streams.items() if n != DB}
    mine = [line for line in streams["k8s/deployments.jsonl.gz"] if meta(line).get("uid") == uid]
    streams["k8s/deployments.jsonl.gz"] = [x for x in streams["k8s/deployments.jsonl.gz"] if x not in mine]
    streams["k8s/replicasets.jsonl.gz"] = [x for x in streams["k8s/replicasets.jsonl.gz"] if meta(x).get("uid") != uid]
    streams["k8s/statefulsets.jsonl.gz"] = mine
    return replace(recording, streams={**streams, DB: recording.streams[DB]})


def holes(recording: Recording, dice: random.Random) -> Recording:
    """The recorder lost its connections for a tenth of the time: nothing of that stretch was seen."""
    length = (recording.end - recording.start) / 10
    since = recording.start + dice.uniform(3, 8) * length
    streams = {n: [x for x in xs if not since <= x["t"] < since + length] for n, xs in recording.streams.items()}
    return replace(recording, streams=streams).lenient()


def late(recording: Recording) -> Recording:
    """The recorder was started in the middle of it: lists and a first poll show what there is by then."""
    at = recording.start + 0.45 * (recording.end - recording.start)
    streams = {n: _listed(xs, at) for n, xs in recording.streams.items() if n != DB}
    # a log is followed from now on
    return replace(recording, streams={**streams, DB: _polled(recording.streams[DB], at)}, logs={}).lenient()


def _listed(lines: list[Line], at: float) -> list[Line]:
    live: dict[str, Line] = {}
    for line in lines:
        uid = meta(line).get("uid")
        if line["t"] > at or uid is None:
            continue
        if line["type"] == "DELETED":
            live.pop(uid, None)
        else:
            live[uid] = {**line, "t": at, "type": "LIST"}
    return [*live.values(), *(line for line in lines if line["t"] > at)]


def _polled(lines: list[Line], at: float) -> list[Line]:
    """What a first poll finds: of runs those that go on, with all their tasks; of other tasks those that do."""
    tables: dict[str, dict[str, Line]] = {}
    for line in lines:
        if "table" in line and line["t"] <= at:
            table = tables.setdefault(line["table"], {})
            if line["table"] == "counts":
                table.clear()
            table.update({row_key(line["table"], row): row for row in line["rows"]})
    live = {key for key, row in tables.get("dag_run", {}).items() if row["state"] in ("queued", "running")}

    def found(name: str, row: Line) -> bool:
        if name == "task_instance":
            return f"{row['dag_id']}/{row['run_id']}" in live or row["state"] in _OPEN
        return {"dag_run": row.get("state") in ("queued", "running"), "job": row.get("state") == "running"}.get(
            name, True
        )

    first: list[Line] = [{"t": at, "poll": "ok", "took": 0.01}]
    for name, table in tables.items():
        first.append({"t": at, "table": name, "rows": [row for row in table.values() if found(name, row)]})
    return [*first, *(line for line in lines if line["t"] > at)]


_OPEN = ("scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting")


def without(recording: Recording, stream: str) -> Recording:
    """One source was not recorded."""
    return replace(recording, streams={n: xs for n, xs in recording.streams.items() if n != stream}).lenient()
