"""What happens to frames on their way: doubled, disordered, aggregated, lost, relisted, cut off, polled rarely.

Nothing of it changes what happened, so nothing may change in the verdict; only where evidence itself is lost may a
cause be missed.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.recorded import DB, Line, Recording, meta, row_key, shifted

EVENTS = "k8s/events.jsonl.gz"


def variants(recording: Recording, dice: random.Random) -> Iterator[tuple[str, Recording]]:
    """Name and perturbed recording."""
    yield "doubled", doubled(recording, dice)
    yield "disordered", disordered(recording, dice)
    yield "counted_events", counted_events(recording)
    yield "event_series", event_series(recording)
    yield "few_events", few_events(recording, dice)
    yield "relisted", relisted(recording, dice)
    yield "uncounted", uncounted(recording)
    yield "offset", offset(recording, dice)
    yield "cut_logs", cut_logs(recording, dice)
    yield "rare_polls", rare_polls(recording, dice)


def doubled(recording: Recording, dice: random.Random) -> Recording:
    """A third of the frames come twice, as after a watch that was resumed from an older version."""
    streams = {
        name: lines
        if name == DB
        else sorted(
            [*lines, *({**x, "t": x["t"] + dice.uniform(0, 2)} for x in lines if x["type"] != "DELETED" and dice.random() < 0.3)],
            key=lambda x: x["t"],
        )
        for name, lines in recording.streams.items()
    }  # fmt: skip
    return replace(recording, streams={name: _as_versions_go(lines) for name, lines in streams.items()})


def _as_versions_go(lines: list[Line]) -> list[Line]:
    """Without frames of objects that are gone by then: no watch tells of them again."""
    gone: set[str] = set()
    out = []
    for line in lines:
        uid = meta(line).get("uid") if "type" in line else None
        if uid in gone:
            continue
        if uid and line["type"] == "DELETED":
            gone.add(uid)
        out.append(line)
    return out


def disordered(recording: Recording, dice: random.Random) -> Recording:
    """Frames of different kinds come up to two seconds late, and events in any order."""
    streams = {}
    for name, lines in recording.streams.items():
        by = 0.0 if name == DB else dice.uniform(0, 2)
        late = [{**line, "t": line["t"] + by} for line in lines]
        if name == EVENTS:
            late = sorted(({**line, "t": line["t"] + dice.uniform(0, 2)} for line in late), key=lambda x: x["t"])
        streams[name] = late
    return replace(recording, streams=streams)


def counted_events(recording: Recording) -> Recording:
    """Like events become one object whose count goes up, as client-go's correlator makes them."""
    first: dict[tuple[str, ...], Line] = {}
    out = []
    for line in recording.streams[EVENTS]:
        if "involvedObject" not in line["object"]:
            out.append(line)
            continue
        event = line["object"]
        about = event["involvedObject"]
        key = (about.get("uid", ""), about.get("fieldPath", ""), event["reason"], event["message"], event["type"])
        seen = first.get(key)
        if seen is None or line["type"] == "LIST" or event.get("count") is None:
            first[key] = line
            out.append(line)
            continue
        known = seen["object"]
        grown = {**known, "count": (known.get("count") or 1) + 1, "lastTimestamp": event["lastTimestamp"]}
        first[key] = {**line, "type": "MODIFIED", "object": grown}
        out.append(first[key])
    return replace(recording, streams={**recording.streams, EVENTS: out})


def event_series(recording: Recording) -> Recording:
    """Events as the newer API writes them: eventTime and a series instead of count and timestamps."""
    return replace(recording, streams={**recording.streams, EVENTS: [_serial(x) for x in recording.streams[EVENTS]]})


def _serial(line: Line) -> Line:
    event = line["object"]
    if not event.get("firstTimestamp"):
        return line
    count, last = event.get("count") or 1, event["lastTimestamp"]
    new: Line = {**event, "eventTime": event["firstTimestamp"].replace("Z", ".000000Z"), "firstTimestamp": None,
                 "lastTimestamp": None, "count": None, "source": {}, "reportingInstance": "one"}  # fmt: skip
    new["reportingComponent"] = event.get("reportingComponent") or event.get("source", {}).get("component", "")
    if count > 1:
        new["series"] = {"count": count, "lastObservedTime": last.replace("Z", ".000000Z")}
    return {**line, "object": new}


def few_events(recording: Recording, dice: random.Random) -> Recording:
    """Most events never came: the spam filter dropped them, or they had expired."""
    kept = [line for line in recording.streams[EVENTS] if line["type"] == "LIST" or dice.random() < 0.35]
    return replace(recording, streams={**recording.streams, EVENTS: kept}).lenient()


def relisted(recording: Recording, dice: random.Random) -> Recording:
    """Each watch breaks a few times and lists anew; bookmarks in between."""
    streams = {}
    for name, lines in recording.streams.items():
        if name == DB:
            streams[name] = lines
            continue
        for _ in range(3):
            at = dice.uniform(recording.start + 2, recording.end - 2)
            lines = _relist(lines, at, at + dice.uniform(0.2, 3))
        streams[name] = lines
    return replace(recording, streams=streams)


def _relist(lines: list[Line], lost: float, back: float) -> list[Line]:
    live: dict[str, Line] = {}
    for line in lines:
        uid = meta(line).get("uid")
        if line["t"] > back or uid is None:
            continue
        live.pop(uid, None)
        if line["type"] != "DELETED":
            live[uid] = {**line, "t": back, "type": "LIST"}
    mark: dict[str, Any] = {"metadata": {"resourceVersion": "1"}}
    before = [line for line in lines if line["t"] < lost]
    told = [{"t": lost, "type": "BOOKMARK", "object": mark}, {"t": lost, "type": "DISCONNECT", "object": None}]
    return [*before, *told, *live.values(), *(line for line in lines if line["t"] > back)]


def uncounted(recording: Recording) -> Recording:
    """No counts per state in the polls, and none on the events."""
    db = [line for line in recording.streams[DB] if line.get("table") != "counts"]
    events = [{**x, "object": {k: v for k, v in (x["object"] or {}).items() if k != "count"}} for x in recording.streams[EVENTS]]  # fmt: skip
    return replace(recording, streams={**recording.streams, DB: db, EVENTS: events})


def offset(recording: Recording, dice: random.Random) -> Recording:
    """Three clocks: the cluster's is seconds off, the recorder's own as well."""
    cluster, recorder = dice.choice([-4.0, -3.0, 3.0, 4.0]), dice.choice([-1.5, 1.5])
    streams = {
        name: [
            {**x, "t": x["t"] + recorder} if name == DB else {**x, "t": x["t"] + recorder, "object": shifted(x.get("object"), cluster)}
            for x in lines
        ]
        for name, lines in recording.streams.items()
    }  # fmt: skip
    return replace(recording, streams=streams, logs={})


def cut_logs(recording: Recording, dice: random.Random) -> Recording:
    """Of each log only a part: rotated away, or followed from somewhere in the middle."""
    logs = {}
    for name, texts in recording.logs.items():
        a, b = sorted((dice.randrange(len(texts) + 1), dice.randrange(len(texts) + 1)))
        logs[name] = texts[a:b]
    return replace(recording, logs=logs)


def rare_polls(recording: Recording, dice: random.Random) -> Recording:
    """One poll in five to ten: of each row only the last of the states in between is seen."""
    polls: list[tuple[Line, list[Line]]] = []
    for line in recording.streams[DB]:
        if "poll" in line:
            polls.append((line, []))
        elif polls:
            polls[-1][1].append(line)
    out: list[Line] = []
    unseen: dict[str, dict[str, Line]] = defaultdict(dict)
    skip = 0
    for poll, tables in polls:
        for line in tables:
            if line["table"] == "counts":
                unseen["counts"] = {}
            unseen[line["table"]].update({row_key(line["table"], row): row for row in line["rows"]})
        skip -= 1
        if skip > 0 and poll["poll"] == "ok" and poll is not polls[-1][0]:
            continue
        skip = dice.randint(5, 10)
        out.append(poll)
        out += [{"t": poll["t"], "table": table, "rows": list(rows.values())} for table, rows in unseen.items()]
        unseen = defaultdict(dict)
    return replace(recording, streams={**recording.streams, DB: out})
