"""Two recordings in one: causes that hold at once, or one after the other."""

import json
import random

from benchmarks.perturb import renamed
from benchmarks.recorded import DB, Line, Recording, moved


def laid_over(one: Recording, other: Recording, dice: random.Random) -> Recording:
    """Both at once: two namespaces, one Airflow. The second one's tasks wait in a queue of their own."""
    return merged(one, moved(renamed(other, dice), one.start - other.start))


def followed_by(one: Recording, other: Recording, dice: random.Random) -> Recording:
    """First the one, then the other, in another namespace; its own scheduler takes over."""
    return merged(one, moved(renamed(other, dice), one.end + dice.uniform(5, 60) - other.start))


def merged(one: Recording, other: Recording) -> Recording:
    """Both in one capture, as they are; a scheduler of its own only where the other comes later."""
    later = other.start > one.end
    queue = "heavy"
    streams: dict[str, list[Line]] = {}
    for name, lines in one.streams.items():
        if name in ("k8s/nodes.jsonl.gz", "k8s/apiservices.jsonl.gz"):
            streams[name] = lines
            continue
        more = other.streams.get(name, [])
        if name == DB:
            lines = [x for x in lines if x.get("table") != "counts"]
            more = [
                _in_queue(x, queue) for x in more if "poll" in x or x["table"] in _MERGED + (("job",) if later else ())
            ]
            more = [x for x in more if later or "table" in x]
        else:
            more = [json.loads(json.dumps(x).replace("queue = 'default'", f"queue = '{queue}'")) for x in more]
        streams[name] = sorted([*lines, *more], key=lambda x: x["t"])
    causes = [*one.label["root_causes"], *other.label["root_causes"]]
    accepted = [*one.label.get("acceptable", []), *other.label.get("acceptable", [])]
    label = {"root_causes": causes, "acceptable": accepted}
    logs = {**{name: lines for name, lines in other.logs.items() if name.startswith("pod.")}, **one.logs}
    return Recording(f"{one.name}+{other.name}", label, streams, logs)


_MERGED = ("slot_pool", "dag", "dag_run", "task_instance")


def _in_queue(line: Line, queue: str) -> Line:
    if line.get("table") not in ("task_instance", "dag_run", "job"):
        return line
    rows = [{**row, **({"queue": queue} if row.get("queue") == "default" else {})} for row in line["rows"]]
    for row in rows:
        for key in ("id", "queued_by_job_id", "job_id", "creating_job_id"):
            if isinstance(row.get(key), int):
                row[key] += 1_000_000
    return {**line, "rows": rows}
