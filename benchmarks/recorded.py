"""A recording as it lies on the disk, and the small tools with which others are made of it."""

import gzip
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Line = dict[str, Any]
DB = "airflow_db.jsonl.gz"
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?=Z|\+00:00|\\?")')


@dataclass(frozen=True)
class Recording:
    """A recording as it lies on the disk: JSON lines, log lines, and its label."""

    name: str
    label: Line
    streams: dict[str, list[Line]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Recording":
        """Reads everything but probes of the external metric, which importers ignore."""
        streams = {str(path.relative_to(folder)): _json(path) for path in [*folder.glob("k8s/*.gz"), folder / DB]}
        logs = {path.name: _text(path).splitlines() for path in folder.glob("logs/*.gz")}
        return cls(folder.name, json.loads((folder / "label.json").read_text()), streams, logs)

    def save(self, folder: Path) -> None:
        """Writes it as a recording."""
        (folder / "k8s").mkdir(parents=True)
        (folder / "logs").mkdir()
        (folder / "label.json").write_text(json.dumps(self.label, indent=1))
        for name, lines in self.streams.items():
            _write(folder / name, (json.dumps(line) for line in lines))
        for name, texts in self.logs.items():
            _write(folder / "logs" / name, texts)

    def reworded(self, change: Callable[[str], str]) -> "Recording":
        """Every text changed alike: lines, logs, names of log files, label."""
        return replace(
            self,
            label=json.loads(change(json.dumps(self.label))),
            streams={n: [json.loads(change(json.dumps(line))) for line in ls] for n, ls in self.streams.items()},
            logs={change(name): [change(text) for text in texts] for name, texts in self.logs.items()},
        )

    def lenient(self) -> "Recording":
        """What was expected may be missed; anything else is still wrong."""
        label = {**self.label, "acceptable": [*self.label["root_causes"], *self.label.get("acceptable", [])]}
        for key in ("healthy", "subject", "component"):
            label.pop(key, None)
        return replace(self, label={**label, "root_causes": [], "partial": True})

    @property
    def start(self) -> float:
        """When its recorder began, epoch seconds."""
        return min(float(line["t"]) for lines in self.streams.values() for line in lines)

    @property
    def end(self) -> float:
        """When its recorder ended."""
        return max(float(line["t"]) for lines in self.streams.values() for line in lines)


def moved(recording: Recording, by: float) -> Recording:
    """The whole recording, some seconds later."""
    streams = {
        name: [{**shifted(line, by), "t": line["t"] + by} for line in lines]
        for name, lines in recording.streams.items()
    }
    return replace(recording, streams=streams)


def shifted(value: Any, by: float) -> Any:
    """Every time in a JSON value, some seconds later."""

    def later(match: re.Match[str]) -> str:
        moved = datetime.fromisoformat(match[0]) + timedelta(seconds=by)
        return moved.isoformat(timespec="microseconds" if "." in match[0] else "seconds")

    return json.loads(TIME.sub(later, json.dumps(value)))


def names(recording: Recording) -> set[str]:
    """DAGs, pools and nodes by name, but not the default pool."""
    rows = [(line["table"], row) for line in recording.streams[DB] if "table" in line for row in line["rows"]]
    dags = {row["dag_id"] for table, row in rows if table == "dag"}
    pools = {row["pool"] for table, row in rows if table == "slot_pool"} - {"default_pool"}
    nodes = {meta(line).get("name") for line in recording.streams["k8s/nodes.jsonl.gz"]}
    return {name for name in (*dags, *pools, *nodes) if name}


def release(recording: Recording) -> str:
    """The Helm release that the scaled workers belong to."""
    lines = recording.streams["k8s/scaledobjects.jsonl.gz"]
    name = next(meta(line)["name"] for line in lines if meta(line).get("name"))
    return str(name).removesuffix("-worker")


def row_key(table: str, row: Line) -> str:
    """What a row is known by in its table."""
    names = {"dag_run": ("dag_id", "run_id"), "task_instance": ("dag_id", "run_id", "task_id", "map_index"),
             "counts": tuple(row), "dag": ("dag_id",), "slot_pool": ("pool",)}.get(table, ("id",))  # fmt: skip
    return "/".join(str(row.get(name)) for name in names)


def meta(line: Line) -> Line:
    """The metadata of an observed object."""
    found: Line = (line.get("object") or {}).get("metadata") or {}
    return found


def owner(line: Line) -> str | None:
    """The uid of what owns an observed object."""
    owners = meta(line).get("ownerReferences") or [{}]
    uid: str | None = owners[0].get("uid")
    return uid


def _json(path: Path) -> list[Line]:
    return [json.loads(line) for line in _text(path).splitlines()]


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=1, mtime=0))
