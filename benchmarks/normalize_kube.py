#!/usr/bin/env python3
"""How many updates of Kubernetes objects one core turns into rows, beside the official client's deserialization.

    python benchmarks/normalize_kube.py RECORDING… [--seconds 2]

RECORDING is a raw recording folder. For each kind: decode, typed row, redacted whole (what the recorder does for
each watch event), and for comparison what `kubernetes.client` does to make one of its models out of the same bytes.
CPU time; the client's numbers are without any redaction, row or encoding.
"""

import argparse
import gzip
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import msgspec

from afscope.ingest.recording import KINDS
from afscope.model.clock import Micros, from_seconds
from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor

MODELS = {
    "Pod": "V1Pod", "Deployment": "V1Deployment", "ReplicaSet": "V1ReplicaSet", "Event": "CoreV1Event",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
}  # fmt: skip
MOST = 5_000


class Line(msgspec.Struct):
    t: float
    type: str
    object: msgspec.Raw


Update = tuple[str, bytes, Micros]


def updates(folders: list[Path]) -> dict[str, list[Update]]:
    """Watch events of all recordings per kind, in their order."""
    found: dict[str, list[Update]] = defaultdict(list)
    for folder in folders:
        for path in sorted((folder / "k8s").glob("*.jsonl.gz")):
            kind = KINDS.get(path.name.split(".")[0], ("", ""))[0]
            for text in gzip.decompress(path.read_bytes()).splitlines():
                line = msgspec.json.decode(text, type=Line)
                if kind and line.type in ("ADDED", "MODIFIED") and len(found[kind]) < MOST:
                    found[kind].append((line.type, bytes(line.object), from_seconds(line.t)))
    return found


def rate(run: Callable[[], int], seconds: float) -> float:
    """Calls of `run` until the time is up; the best rate of them, as the machine is not ours alone."""
    best, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.process_time()
        count = run()
        best = max(best, count / (time.process_time() - began))
    return best


def ours(kind: str, lines: list[Update]) -> Callable[[], int]:
    def run() -> int:
        kube = KubeNormalizer(Redactor())
        for change, raw, seen_at in lines:
            for _ in kube.observe(change, raw, seen_at, kind=kind):
                pass
        return len(lines)

    return run


def theirs(kind: str, lines: list[Update]) -> Callable[[], int]:
    from kubernetes.client import ApiClient

    client, model = ApiClient(), MODELS[kind]
    texts = [raw.decode() for _, raw, _ in lines[:500]]

    def run() -> int:
        for text in texts:
            client.deserialize(text, model, "application/json")
        return len(texts)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=2.0, help="per measurement (default 2)")
    options = parser.parse_args()
    print(f"{'kind':26}{'updates':>8}{'bytes':>8}{'rows/s':>10}{'client/s':>10}{'factor':>8}")
    for kind, lines in sorted(updates(options.recordings).items(), key=lambda item: -len(item[1])):
        mean = sum(len(raw) for _, raw, _ in lines) // len(lines)
        mine = rate(ours(kind, lines), options.seconds)
        line = f"{kind:26}{len(lines):8}{mean:8}{mine:10.0f}"
        if kind in MODELS:
            client = rate(theirs(kind, lines), options.seconds)
            line += f"{client:10.0f}{mine / client:8.1f}"
        print(line)


if __name__ == "__main__":
    main()
