"""A capture without its people's names: consistent pseudonyms over all tables, counted, and checked for leaks.

The recorder has already masked secrets (normalize/redact.py). This is for handing a capture to strangers: names of
DAGs, tasks, pods, namespaces, nodes, images, hosts, users and so on are replaced everywhere, so that joins still work
and the verdict stays what it was. Times, numbers, uids, states, settings and the shape of the trigger's query stay.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from afscope.errors import CaptureError
from afscope.model.row import Row
from afscope.store.cut import stored_values
from afscope.store.objects import full_bodies
from afscope.store.options import WriterOptions
from afscope.store.pseudonyms import Leaks, Pseudonyms
from afscope.store.reader import Capture
from afscope.store.schema import TABLES, Type
from afscope.store.writer import CaptureWriter

# Columns that hold names, by what they name. Things that others are named after come first.
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("namespace", "*", "namespace"), ("namespace", "*", "object_namespace"), ("namespace", "*", "service_namespace"),
    ("scaledobject", "scaledobjects", "name"), ("scaledobject", "*", "scaledobject"),
    ("node", "nodes", "name"), ("node", "pods", "node"), ("node", "events", "host"),
    ("dag", "*", "dag_id"), ("task", "task_instances", "task_id"), ("task", "db_log", "task_id"),
    ("pool", "*", "pool"), ("queue", "*", "queue"), ("user", "db_log", "owner"), ("user", "dag_runs", "triggered_by"),
    ("bundle", "dags", "bundle_name"), ("quota", "quotas", "name"),
)  # fmt: skip
# Names that controllers make of other names.
_MADE: tuple[tuple[str, str, str], ...] = (
    ("workload", "hpas", "target_name"), ("workload", "scaledobjects", "target_name"), ("hpa", "hpas", "name"),
    ("hpa", "scaledobjects", "hpa_name"), ("pod", "pods", "name"), ("workload", "pods", "owner_name"),
    ("workload", "workloads", "owner_name"), ("pod", "task_instances", "hostname"), ("pod", "jobs", "hostname"),
    ("object", "events", "object_name"), ("pod", "log_lines", "pod"), ("lease", "leases", "name"),
    ("object", "hpas", "owner_name"),
)  # fmt: skip
_MEMBERS = {
    "serviceAccountName": "account", "serviceAccount": "account", "secretName": "secret", "claimName": "claim",
    "nodeName": "node", "priorityClassName": "class", "runtimeClassName": "class", "storageClassName": "class",
    "schedulerName": "class", "hostname": "pod", "subdomain": "service", "volumeName": "volume",
}  # fmt: skip
_REFERENCES = {
    "configMap": "configmap", "configMapRef": "configmap", "configMapKeyRef": "configmap", "secret": "secret",
    "secretRef": "secret", "secretKeyRef": "secret", "imagePullSecrets": "secret", "authenticationRef": "secret",
    "volumes": "volume", "volumeMounts": "volume", "env": "env",
}  # fmt: skip
# Objects whose names are those of APIs.
_PUBLIC_KINDS = frozenset({"APIService", "CustomResourceDefinition"})
_MAPS = frozenset({"labels", "matchLabels", "nodeSelector", "annotations"})
_RUN = re.compile(r"(?:manual|scheduled|backfill|asset_triggered|dataset_triggered)__")
_PLAIN_RUN = re.compile(r"[\d:.+TZ_-]*")
_SERVICE = re.compile(r"\b([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b")
_HASHES = ("pod-template-hash", "controller-revision-hash", "chart", "version", "heritage")


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was done: names found, replacements by kind, names that are ordinary words, texts that were checked."""

    names: Mapping[str, str]
    counts: Mapping[str, int]
    kept: tuple[str, ...]
    texts: int


def redact(capture: Capture, out: Path, ordinary: Iterable[str] = ()) -> Redacted:
    """Writes the capture without names to the new folder `out`.

    `ordinary` are words that analyzers look for in texts, beside those that this package knows. Raises CaptureError
    when the result still holds a name, and then leaves nothing behind.
    """
    names = Pseudonyms(ordinary)
    _learn(capture, names)
    names.number()
    _write(capture, out, names)
    leaks = Leaks(names.names)
    leak = next(_leaks(Capture.open(out), leaks), None)
    if leak is not None:
        shutil.rmtree(out)
        raise CaptureError(f"a name was left in {leak}: nothing was written", "please report it; never share that text")
    return Redacted(names.names, dict(names.counts), tuple(sorted(names.kept)), leaks.texts)


def _learn(capture: Capture, names: Pseudonyms) -> None:
    names.learn("cluster", capture.manifest.cluster)
    workloads = capture.table("workloads")
    for kind, name in zip(workloads["kind"].to_pylist(), workloads["name"].to_pylist(), strict=True):
        if kind != "ReplicaSet":
            names.learn("workload", name)
    _learn_columns(capture, names, _COLUMNS, made=False)
    _learn_runs(capture, names)
    _learn_columns(capture, names, (("workload", "workloads", "name"), *_MADE), made=True)
    for row, body in full_bodies(_dicts(capture, "objects")):
        _learn_document(body, names)
        if row["kind"] not in _PUBLIC_KINDS:
            names.learn_made(_kind(row["kind"]), row["name"])
    for table, column in (("pods", "labels"), ("pods", "containers"), ("nodes", "labels"), ("workloads", "labels")):
        for text in _values(capture, table, column):
            _learn_document({column: _json(text)}, names)
    for table, column in (("events", "message"), ("log_lines", "text")):
        for text in _values(capture, table, column):
            for service, namespace in _SERVICE.findall(text):
                names.learn_made("service", service)
                names.learn("namespace", namespace)


def _learn_columns(capture: Capture, names: Pseudonyms, columns: Iterable[tuple[str, str, str]], *, made: bool) -> None:
    for kind, where, column in columns:
        for table in TABLES if where == "*" else (where,):
            if column in TABLES[table].column_names():
                for name in _values(capture, table, column):
                    (names.learn_made if made else names.learn)(kind, name)


def _values(capture: Capture, table: str, column: str) -> list[str]:
    """The different texts of a column."""
    return [text for text in capture.table(table)[column].unique().to_pylist() if text]


def _kind(kind: str | None) -> str:
    return {"pod": "pod", "node": "node", "namespace": "namespace"}.get((kind or "").lower(), "object")


def _learn_runs(capture: Capture, names: Pseudonyms) -> None:
    """Run ids are times and the words that somebody added."""
    for table in ("dag_runs", "task_instances"):
        for run in _values(capture, table, "run_id"):
            rest = _RUN.sub("", run, count=1)
            if rest and not _PLAIN_RUN.fullmatch(rest):
                names.learn("run", rest)


def _learn_document(document: Any, names: Pseudonyms, key: str = "") -> None:
    if isinstance(document, list):
        for item in document:
            _learn_document(item, names, key)
    if not isinstance(document, dict):
        return
    if key in _MAPS:
        _learn_map(document, names)
        return
    if key in _REFERENCES:
        names.learn(_REFERENCES[key], document.get("name"))
    for name, value in document.items():
        if name in _MEMBERS:
            names.learn_made(_MEMBERS[name], value)
        elif name == "image" and isinstance(value, str):
            _learn_image(value, names)
        elif isinstance(value, dict | list):
            _learn_document(value, names, name)


def _learn_map(labels: Mapping[str, Any], names: Pseudonyms) -> None:
    """Labels and annotations: own keys and their values; domains of keys that belong to nobody in public."""
    for key, value in labels.items():
        domain, _, name = key.rpartition("/")
        if not _is_public(domain):
            names.learn("domain", domain)
        if not domain or not _is_public(domain):
            names.learn("label", name)
        if name not in _HASHES and not name.startswith("operator."):
            names.learn_made("value", value)


def _is_public(domain: str) -> bool:
    return not domain or re.search(r"(k8s\.io|kubernetes\.io|keda\.sh|apache\.org|helm\.sh)$", domain) is not None


def _learn_image(image: str, names: Pseudonyms) -> None:
    bare, _, _digest = image.partition("@")
    path, _, tag = bare.rpartition(":") if ":" in bare.rpartition("/")[2] else (bare, "", "")
    names.learn("image", path)
    if not re.fullmatch(r"v?[\d.]*(?:-python[\d.]+)?", tag):
        names.learn("tag", tag)


def _dicts(capture: Capture, table: str) -> Iterator[dict[str, Any]]:
    columns = TABLES[table].column_names()
    return (dict(zip(columns, values, strict=True)) for values in stored_values(table, capture.table(table)))


def _json(text: str | None) -> Any:
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


# Uids, versions and words of an enumeration cannot be names; a query of a trigger keeps its shape but not its literals.
_LEFT_ALONE = frozenset(
    {"change", "uid", "owner_uid", "object_uid", "resource_version", "ti_id", "external_executor_id", "dag_version_id",
     "state", "kind", "owner_kind", "target_kind", "object_kind", "api_version", "operator", "job_type", "pattern",
     "replicas_manager", "replicas_operation", "replicas_subresource", "outcome", "status", "type"}
)  # fmt: skip


def _write(capture: Capture, out: Path, names: Pseudonyms) -> None:
    known = capture.manifest
    with CaptureWriter.create(
        out, origin="redact", options=WriterOptions.bulk(), started_at=capture.started_at,
        cluster=names.text(known.cluster), airflow_version=known.airflow_version, epoch_us=known.epoch_us,
        settings={"redacted": True},
    ) as writer:  # fmt: skip
        for name, source in known.sources.items():
            writer.set_source(name, source.status, names.text(source.reason))
        for name, offset in known.clock_offsets.items():
            writer.set_clock_offset(name, offset)
        for rule, count in known.redactions.items():
            writer.count_redaction(rule, count)
        for _ in known.unread:
            writer.note_unread("left out by redact: it may quote anything")
        for row in _rows(capture):
            writer.append(Row(row.table, _clean(row, names)))
        for kind, count in names.counts.items():
            writer.count_redaction(f"name_{kind}", count)
        writer.close(ended_at=capture.ended_at)


def _rows(capture: Capture) -> Iterator[Row]:
    """All rows but keyframes, which the writer makes anew, by `seen_at`."""
    import heapq

    from afscope.store.merge import table_rows

    streams = [table_rows(capture, name) for name in TABLES]
    for _, row in heapq.merge(*streams, key=lambda item: item[0]):
        yield row


def _clean(row: Row, names: Pseudonyms) -> dict[str, Any]:
    out = dict(row.values)
    for column in TABLES[row.table].columns:
        value = out.get(column.name)
        if not isinstance(value, str) or column.name in _LEFT_ALONE:
            continue
        if column.type is Type.JSON:
            decoded = _json(value)
            out[column.name] = msgspec.json.encode(names.value(decoded)).decode()
        else:
            out[column.name] = names.text(value)
    return out


def _leaks(capture: Capture, leaks: Leaks) -> Iterator[str]:
    """Where a name was left: table and column."""
    manifest = msgspec.json.encode(msgspec.structs.replace(capture.manifest, segments=[])).decode()
    if leaks.find(manifest):
        yield "the manifest"
    for table in TABLES:
        for column in TABLES[table].columns:
            if column.type in (Type.TEXT, Type.JSON):
                for text in _values(capture, table, column.name):
                    if leaks.find(text):
                        yield f"{table}.{column.name}"
