"""Verdicts hold under other names and days, disagreeing clocks, other kinds, holes, missing sources, two causes at once."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.combine import followed_by, laid_over
from benchmarks.perturb import variants
from benchmarks.recorded import DB, Recording, row_key
from benchmarks.scoreboard import scored
from tests.incidents.test_recordings import OURS

NAMES = sorted(path.parent.name for path in OURS.glob("*/label.json"))
LOOKED_AT = (("pool", "renamed"), ("pool", "statefulset"), ("pool", "doubled"), ("pool", "rare_polls"))


def incidents() -> Iterator[tuple[str, Recording]]:
    """Every variant of one of the recordings that ship with the tests, turn by turn, and both kinds of pairs.

    `benchmarks/incidents.py` makes every variant of every recording.
    """
    dice = random.Random(7)
    known = {name: Recording.load(OURS / name) for name in NAMES}
    for turn, (name, recording) in enumerate(known.items()):
        for number, (variant, changed) in enumerate(variants(recording, dice)):
            if number % len(known) == turn or (name, variant) in LOOKED_AT:
                yield f"{name}.{variant}", changed
    yield "pool+max_replicas_mariadb", laid_over(known["pool"], known["max_replicas_mariadb"], dice)
    yield "max_replicas_mariadb-then-pool", followed_by(known["max_replicas_mariadb"], known["pool"], dice)


ALL = dict(incidents())


@pytest.mark.parametrize("name", ALL)
def test_the_verdict_of_a_perturbed_recording(name: str, tmp_path: Path) -> None:
    incident = ALL[name]
    incident.save(tmp_path / "incident")
    label: dict[str, Any] = json.loads((tmp_path / "incident" / "label.json").read_text())
    assert scored(tmp_path / "incident", label).problems == ()


def test_other_names_are_other_names() -> None:
    changed = ALL["pool.renamed"]
    texts = [json.dumps(line) for lines in changed.streams.values() for line in lines]
    assert changed.label["subject"] != "tiny"
    assert not any("narrow_pool" in text or "ml-worker" in text or "2026-11-22" in text for text in texts)
    assert not any("ml-worker" in name for name in changed.logs)


def test_a_statefulset_owns_the_pods_of_the_workers() -> None:
    changed = ALL["pool.statefulset"]
    pods = [
        line["object"]
        for line in changed.streams["k8s/pods.jsonl.gz"]
        if line["object"].get("metadata", {}).get("ownerReferences")
    ]
    kinds = {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods if "worker" in pod["metadata"]["name"]}
    assert kinds == {"StatefulSet"}
    assert changed.streams["k8s/statefulsets.jsonl.gz"]


def test_rare_polls_lose_states_but_no_row() -> None:
    """What a row was last is seen, what it was in between is not."""
    every, rare = (
        [line for line in recording.streams[DB] if line.get("table") == "task_instance"]
        for recording in (Recording.load(OURS / "pool"), ALL["pool.rare_polls"])
    )
    last = [
        {row_key("task_instance", r): r["state"] for line in lines for r in line["rows"]} for lines in (every, rare)
    ]
    assert last[0] == last[1]
    assert sum(len(line["rows"]) for line in rare) < sum(len(line["rows"]) for line in every)


def test_no_frame_of_an_object_follows_its_end() -> None:
    for name, lines in ALL["pool.doubled"].streams.items():
        gone: set[str] = set()
        for line in lines if name != DB else ():
            uid = line["object"].get("metadata", {}).get("uid", "")
            assert uid not in gone
            gone |= {uid} if line["type"] == "DELETED" else set()
