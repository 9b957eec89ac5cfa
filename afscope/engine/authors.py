"""The fact `decisions`: each change of spec.replicas with its author, by the rules of `control.authorship`."""

from collections import defaultdict
from typing import Any

from afscope.control.authorship import Change, Clues, HpaWrite, KedaEvent, attribute
from afscope.control.messages import keda_scaling, rescale, rescaled_line
from afscope.control.scaledobject import ScaledObject
from afscope.engine.session import Session
from afscope.model.clock import from_datetime

COLUMNS = {
    "target": "VARCHAR", "moment": "TIMESTAMP", "before": "BIGINT", "after": "BIGINT", "author": "VARCHAR",
    "writer": "VARCHAR", "reason": "VARCHAR", "rule": "VARCHAR", "confidence": "DOUBLE", "key": "VARCHAR",
}  # fmt: skip
NEEDS = frozenset({"replica_changes", "scaling_words", "targets"})


def build(session: Session) -> None:
    """Creates the table `decisions`. `author` is keda, hpa, or whoever else wrote; unknown if nobody told."""
    clues = _clues(session)
    rows = []
    for row in session.dicts("FROM replica_changes ORDER BY target, moment"):
        change = Change(
            at=from_datetime(row["moment"]),
            before=row["before"],
            after=row["after"],
            manager=row["replicas_manager"] or None,
            operation=row["replicas_operation"],
            subresource=row["replicas_subresource"],
        )
        near = clues[row["target"]]
        found = attribute(change, Clues(**near, active=row["active"]))
        author = found.kind.value if found.kind.value in ("keda", "hpa") else found.name or found.kind.value
        rows.append(
            (row["target"], row["moment"].isoformat(sep=" "), row["before"], row["after"], author, found.name,
             found.reason, found.rule.value, found.confidence, row["key"])
        )  # fmt: skip
    session.fill("decisions", COLUMNS, rows)


def _clues(session: Session) -> dict[str, dict[str, Any]]:
    """Per target what was said and set, as keyword arguments of Clues."""
    out: dict[str, dict[str, Any]] = defaultdict(lambda: {"keda": [], "writes": [], "rescales": [], "moves": []})
    for row in session.dicts("FROM targets"):
        out[row["target"]]["target"] = ScaledObject(
            min_replicas=row["min_replica_count"],
            max_replicas=row["max_replica_count"],
            polling_s=row["polling_interval_s"],
            cooldown_s=row["cooldown_period_s"],
        )
    for row in session.dicts("FROM scaling_words WHERE moment IS NOT NULL ORDER BY moment"):
        _hear(out[row["target"]], row)
    return out


def _hear(clues: dict[str, Any], row: dict[str, Any]) -> None:
    at, text = from_datetime(row["moment"]), row["text"] or ""
    if row["source"] == "hpa_status":
        clues["moves"].append(HpaWrite(at, row["size"], ""))
    elif row["source"] == "keda_event":
        if said := keda_scaling(text):
            clues["keda"].append(KedaEvent(at, said))
    else:
        wrote = rescaled_line(text) if row["source"] == "hpa_log" else rescale(text)
        if wrote and not wrote.error:
            group = "writes" if row["source"] == "hpa_log" else "rescales"
            clues[group].append(HpaWrite(at, wrote.size, _reason(wrote.text), wrote.before))


def _reason(text: str) -> str:
    """The HPA's reason without the selector that Go prints into it."""
    return text.split("(&LabelSelector", 1)[0] + (
        " above target" if text.endswith("above target") and "(" in text else ""
    )
