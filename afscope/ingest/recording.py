"""A raw recording folder: API objects, polls of the Airflow DB and logs, each line with the time it was received.

`k8s/<kind>.jsonl[.gz]` holds {"t", "type", "object"} per observation, `airflow_db.jsonl[.gz]` polls and changed rows,
`logs/*.log[.gz]` what containers wrote. An empty file says "listed, there were none"; an absent one that nobody
looked. Samples of the external metric are left out: taking them runs the trigger's query (domain: keda-hpa 11.1), so
no capture has them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from afscope.ingest.lines import lines
from afscope.ingest.relist import Relist
from afscope.ingest.sink import Findings, Hole, Stream, Timed
from afscope.model.capture import SourceState
from afscope.model.clock import Micros, from_seconds
from afscope.model.row import DELETED, STATE
from afscope.normalize.airflow import AirflowNormalizer
from afscope.normalize.kube import KubeNormalizer

KINDS = {
    "pods": ("Pod", "pods"),
    "deployments": ("Deployment", "workloads"),
    "statefulsets": ("StatefulSet", "workloads"),
    "replicasets": ("ReplicaSet", "workloads"),
    "horizontalpodautoscalers": ("HorizontalPodAutoscaler", "hpas"),
    "scaledobjects": ("ScaledObject", "scaledobjects"),
    "events": ("Event", "events"),
    "nodes": ("Node", "nodes"),
    "resourcequotas": ("ResourceQuota", "quotas"),
    "limitranges": ("LimitRange", "quotas"),
    "apiservices": ("APIService", "apiservices"),
    "leases": ("Lease", "leases"),
}
"""Plural of a kind, as files are named, to its kind and table."""
_DB_TABLES = (
    "task_instances", "dag_runs", "dags", "pools", "jobs", "task_counts", "db_log", "celery_results", "polls",
)  # fmt: skip
# A hole in the polls is a hole in what only polls can show.
_DB_HOLES = ("task_instances", "dag_runs", "dags", "pools", "jobs")
_CHANGES = {"LIST": STATE, "ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": DELETED}
# ERROR is how a watch ends that the API server gave up, mostly 410 Expired; a new list follows.
_LOST = {"DISCONNECT": "watch disconnected", "ERROR": "watch ended with an error"}
# Epoch seconds; what lies beyond the year 5138 is no time but damage.
_Seconds = Annotated[float, msgspec.Meta(ge=0, lt=1e11)]


class _Observation(msgspec.Struct):
    t: _Seconds
    type: str
    object: msgspec.Raw = msgspec.Raw(b"null")


class _Poll(msgspec.Struct):
    t: _Seconds
    poll: str | None = None
    took: float = 0.0
    error: str | None = None
    table: str | None = None
    rows: list[dict[str, Any]] | None = None


_OBSERVATION = msgspec.json.Decoder(_Observation)
_POLL = msgspec.json.Decoder(_Poll)


def is_recording(folder: Path) -> bool:
    """Whether a folder looks like a raw recording."""
    return (folder / "k8s").is_dir() or any(_named(folder, "airflow_db"))


def _named(folder: Path, stem: str) -> Iterator[Path]:
    return (p for p in (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz") if p.is_file())


def streams(folder: Path, found: Findings) -> Iterator[Stream]:
    """One stream of rows per file, each in the order of time. Consuming them fills `found`."""
    kube = KubeNormalizer(found.redactor)
    present = set()
    for path in sorted((folder / "k8s").glob("*.jsonl*")):
        plural = path.name.split(".")[0]
        present.add(plural)
        yield _observations(path, plural, kube, found)
    _kube_sources(present, found)
    for path in _named(folder, "airflow_db"):
        yield _database(path, AirflowNormalizer(found.redactor), found)
    for path in _named(folder, "external_metrics"):
        found.ignored.append(f"{path}: samples of the external metric; taking them changes what is recorded")


def kinds(folder: Path) -> Iterator[str]:
    """Kinds that a recording holds."""
    plurals = (path.name.split(".")[0] for path in (folder / "k8s").glob("*.jsonl*"))
    return (KINDS[plural][0] for plural in plurals if plural in KINDS)


def named_kind(path: Path) -> bool:
    """Whether the name of a file says of which kind it would hold objects, so that an empty one says there are none."""
    return path.name.split(".")[0] in KINDS and ".jsonl" in path.name


def single(path: Path, kube: KubeNormalizer, found: Findings) -> Stream | None:
    """The rows of one file of a recording that came without its folder; None when it is none."""
    first = next((line for _, line in lines(path, lambda _: None)), b"")
    try:
        poll = _POLL.decode(first)
        seen = None if poll.poll or poll.table else _OBSERVATION.decode(first)
    except msgspec.DecodeError:
        return None
    if seen is None:
        return _database(path, AirflowNormalizer(found.redactor), found)
    plural = path.name.split(".")[0]
    _kube_sources({plural}, found)
    return _observations(path, plural, kube, found)


def _kube_sources(present: set[str], found: Findings) -> None:
    for plural, (_, table) in KINDS.items():
        if table == "workloads" or plural == "limitranges":
            continue
        if plural in present:
            found.source(table, SourceState.OK)
    workloads = {"deployments", "statefulsets", "replicasets"}
    missing = workloads - present
    if not missing:
        found.source("workloads", SourceState.OK)
    elif missing != workloads:
        found.source("workloads", SourceState.PARTIAL, f"not recorded: {', '.join(sorted(missing))}")
    if present:
        found.source("objects", SourceState.OK)
        found.source("airflow_config", SourceState.OK)


def _observations(path: Path, plural: str, kube: KubeNormalizer, found: Findings) -> Stream:
    """The rows of one kind's file. A lost watch opens a hole that the next line closes."""
    kind, table = KINDS.get(plural, (None, "objects"))
    relist = Relist()
    lost: tuple[Micros, str] | None = None
    for where, seen, following in _with_next(_decoded(path, found)):
        at = from_seconds(seen.t)
        if lost is not None:
            found.holes.append(Hole(table, lost[0], at, lost[1]))
            lost = None
        if seen.type in _LOST:
            lost = at, _LOST[seen.type]
            relist.lost()
        elif seen.type in _CHANGES:
            yield from _observed(kube, seen, at, kind, where, found)
            relist.see(_CHANGES[seen.type], bytes(seen.object))
            if seen.type == "LIST" and following != "LIST":
                yield from _gone(kube, relist.end(), at, kind)
        elif seen.type != "BOOKMARK":
            found.note(f"{where}: type {seen.type[:20]!r} is not known")
    if lost is not None:
        found.holes.append(Hole(table, lost[0], None, lost[1]))


def _decoded(path: Path, found: Findings) -> Iterator[tuple[str, _Observation]]:
    for number, line in lines(path, found.note):
        where = f"{path}:{number}"
        try:
            seen = _OBSERVATION.decode(line)
        except msgspec.DecodeError as error:
            found.note(f"{where}: {error}")
            continue
        found.saw(from_seconds(seen.t))
        yield where, seen


def _with_next(seen: Iterator[tuple[str, _Observation]]) -> Iterator[tuple[str, _Observation, str | None]]:
    """Each observation with the type of the one after it, which tells where a list ends."""
    now = next(seen, None)
    while now is not None:
        following = next(seen, None)
        yield *now, following[1].type if following is not None else None
        now = following


def _observed(
    kube: KubeNormalizer, seen: _Observation, at: Micros, kind: str | None, where: str, found: Findings
) -> Stream:
    try:
        for row in kube.observe(_CHANGES[seen.type], bytes(seen.object), at, kind=kind):
            yield Timed(at, row)
    except msgspec.DecodeError as error:
        found.note(f"{where}: {error}")
    while kube.problems:
        found.note(f"{where}: only kept as an object: {kube.problems.pop()}")


def _gone(kube: KubeNormalizer, objects: Iterator[bytes], at: Micros, kind: str | None) -> Stream:
    """Events are left alone: the server forgets them after an hour, which deletes nothing that happened."""
    for raw in objects if kind != "Event" else ():
        for row in kube.observe(DELETED, raw, at, kind=kind):
            yield Timed(at, row)


def _database(path: Path, airflow: AirflowNormalizer, found: Findings) -> Stream:
    """The rows of the polls. A failed poll opens a hole that the next good one closes."""
    failed_at: Micros | None = None
    last: Micros = 0
    good = False
    error = ""
    for number, line in lines(path, found.note):
        try:
            poll = _POLL.decode(line)
        except msgspec.DecodeError as problem:
            found.note(f"{path}:{number}: {problem}")
            continue
        last = from_seconds(poll.t)
        found.saw(last)
        if poll.poll is not None:
            ok = poll.poll == "ok"
            good = good or ok
            if ok and failed_at is not None:
                _hole(found, failed_at, last, error)
                failed_at = None
            elif not ok:
                failed_at = last if failed_at is None else failed_at
                error = poll.error or "poll failed"
            rows = airflow.poll(last, poll.took, ok=ok, error=poll.error)
        else:
            rows = airflow.rows(poll.table or "", poll.rows or [], last)
        for row in rows:
            yield Timed(last, row)
    if failed_at is not None:
        _hole(found, failed_at, None, error)
    _database_sources(path, airflow, found, good=good)


def _hole(found: Findings, start: Micros, end: Micros | None, error: str) -> None:
    for table in _DB_HOLES:
        found.holes.append(Hole(table, start, end, found.redactor.text(error)))


def _database_sources(path: Path, airflow: AirflowNormalizer, found: Findings, *, good: bool) -> None:
    for table in _DB_TABLES:
        if good:
            found.source(table, SourceState.OK)
        else:
            found.source(table, SourceState.FAILED, "no poll succeeded")
    found.airflow_version = airflow.release or found.airflow_version
    for table in sorted(airflow.unknown_tables):
        found.note(f"{path}: table {table} is not known")
    for table, count in airflow.keyless.items():
        found.note(f"{path}: {count} rows of {table} without a key")


def log_files(folder: Path) -> list[Path]:
    """The logs of a recording."""
    return sorted((folder / "logs").glob("*.log*"))
