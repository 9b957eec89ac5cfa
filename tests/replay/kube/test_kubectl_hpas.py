"""`kubectl get hpa` against every recording: the TARGETS that people saw then."""

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afscope.model.clock import from_seconds
from afscope.replay.kube.kubeconfig import kubeconfig
from tests.replay.kube.conftest import RECORDINGS, Serve

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
_MOMENTS = 5
_HPAS = "k8s/horizontalpodautoscalers.jsonl.gz"


def recordings() -> list[Path]:
    folders = [RECORDINGS, *map(Path, filter(None, [os.environ.get("AFSCOPE_RECORDINGS")]))]
    found = {path.name: path for folder in folders for path in sorted(folder.iterdir()) if (path / _HPAS).is_file()}
    return list(found.values())


def moments(recording: Path) -> Iterator[tuple[float, dict[tuple[str, str], Any]]]:
    """Up to five moments at which an autoscaler had just changed, and all of them as they were then, as sent."""
    alive: dict[tuple[str, str], Any] = {}
    states: list[tuple[float, dict[tuple[str, str], Any]]] = []
    with gzip.open(recording / _HPAS) as file:
        for line in map(json.loads, file):
            body = line["object"]
            if line["type"] == "LIST":
                alive = {key_of(item): item for item in body.get("items") or ()}
            elif line["type"] == "DELETED":
                alive.pop(key_of(body), None)
            elif line["type"] in ("ADDED", "MODIFIED"):
                alive[key_of(body)] = body
            else:
                continue
            states.append((line["t"], dict(alive)))
    # Of what changed within one moment only the last state can be looked at.
    settled = [
        state for state, after in zip(states, [*states[1:], None], strict=True) if not after or after[0] - state[0] > 1
    ]
    step = max(1, len(settled) // _MOMENTS)
    yield from settled[::step]


def key_of(body: dict[str, Any]) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def targets(hpa: dict[str, Any]) -> str:
    """As kubectl and the API server print them (pkg/printers/internalversion/printers.go, formatHPAMetrics), external
    metrics only: the quantities are the server's own texts.
    """
    told = (hpa.get("status") or {}).get("currentMetrics") or []
    shown = []
    for index, metric in enumerate(hpa["spec"].get("metrics") or ()):
        assert metric["type"] == "External"
        target = metric["external"]["target"]
        current = (told[index] or {}).get("external", {}).get("current", {}) if index < len(told) else {}
        if "averageValue" in target:
            shown.append(f"{current.get('averageValue') or '<unknown>'}/{target['averageValue']} (avg)")
        else:
            shown.append(f"{current.get('value') or '<unknown>'}/{target['value']}")
    return ", ".join(shown) or "<none>"


@pytest.mark.parametrize("recording", recordings(), ids=lambda path: path.name)
def test_targets_are_those_of_the_recording(recording: Path, serve: Serve, tmp_path: Path) -> None:
    replay = serve(recording)
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(replay.server.url), encoding="utf-8")
    environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(tmp_path)}
    looked = list(moments(recording))
    for at, alive in looked:
        replay.pace.jump(from_seconds(at) + 1)
        done = subprocess.run(
            ["kubectl", "get", "hpa", "-A", "--no-headers"],
            capture_output=True, text=True, env=environment, timeout=60, check=True,
        )  # fmt: skip
        rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
        assert {(row[0], row[1]): row[3] for row in rows} == {key: targets(hpa) for key, hpa in alive.items()}
    assert looked
