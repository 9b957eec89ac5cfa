#!/usr/bin/env python3
"""Bytes off a watch socket to rows on disk, beside what else could be used for it.

    python benchmarks/watch_to_wal.py [--pods 2000] [--updates 20000] [--events 20000]

One replayed cluster serves the same updates, as fast as they are taken, to three clients after one another: afscope's
recorder (typed rows, redacted, in a WAL), the official client's Watch (its models, nothing written), and `kubectl get
-w -o json` into a file. CPU seconds and memory are each client's own, from its first update on; kubectl's is that of
its whole run. The recorder seals in children; theirs are told apart, of memory that of the largest.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

T0 = 1_800_000_000
RECORDING = Path(__file__).parents[1] / "tests" / "data" / "recordings" / "pool"


def pods(count: int, updates: int) -> Iterator[dict[str, Any]]:
    """A real worker pod, many times, each with its own names, places and times; and changes of them, one by one."""
    with gzip.open(RECORDING / "k8s" / "pods.jsonl.gz") as file:
        seen = [json.loads(line) for line in file]
    model = max(
        (one["object"] for one in seen if isinstance(one.get("object"), dict)), key=lambda o: len(json.dumps(o))
    )
    text = json.dumps(model)
    for number in range(count):
        yield {"t": T0, "type": "LIST", "object": _pod(text, model, number, number + 1, 0)}
    for number in range(updates):
        body = _pod(text, model, number % count, count + number + 1, 1 + number // count)
        yield {"t": T0 + 10, "type": "MODIFIED", "object": body}


def _pod(text: str, model: dict[str, Any], number: int, version: int, turn: int) -> dict[str, Any]:
    """A pod after its kubelet's `turn`-th report: with each it becomes ready or ceases to be, with all that says so."""
    body: dict[str, Any] = json.loads(text.replace(model["metadata"]["name"], f"worker-{number:05}"))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(T0 - 3600 + number + 10 * turn))
    ready = turn % 2 == 1
    body["metadata"] |= {
        "uid": f"{number:08x}-aa0f-4d4b-9add-d977e1d0a72c",
        "resourceVersion": str(version),
        "managedFields": _managed(now),
    }
    for condition in body["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition |= {"status": str(ready), "lastTransitionTime": now}
    for container in body["status"]["containerStatuses"]:
        container |= {"ready": ready, "restartCount": turn // 2}
    body["status"] |= {"hostIP": f"10.0.0.{number % 40}", "podIP": f"10.1.{number // 250}.{number % 250}"}
    body["spec"] |= {"nodeName": f"node-{number % 40}"}
    return body


def _managed(now: str) -> list[dict[str, Any]]:
    """What an API server keeps about who wrote what of a pod: its creator, and its kubelet with each report."""
    conditions: dict[str, Any] = {
        f'k:{{"type":"{name}"}}': {".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}}
        for name in ("ContainersReady", "Initialized", "Ready")
    }
    status = {"f:conditions": conditions, "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {}}
    labels: dict[str, Any] = {
        "f:labels": {".": {}, "f:component": {}, "f:release": {}, "f:tier": {}},
        "f:ownerReferences": {".": {}},
    }
    spec: dict[str, Any] = {
        "f:containers": {'k:{"name":"worker"}': {".": {}, "f:args": {}, "f:env": {".": {}}, "f:image": {}}}
    }
    return [
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2027-01-15T06:00:00Z",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": labels, "f:spec": spec}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": now, "fieldsType": "FieldsV1",
         "fieldsV1": {"f:status": status}, "subresource": "status"},
    ]  # fmt: skip


def events(count: int) -> Iterator[dict[str, Any]]:
    """Real events, many times."""
    with gzip.open(RECORDING / "k8s" / "events.jsonl.gz") as file:
        models = [one["object"] for one in map(json.loads, file) if isinstance(one.get("object"), dict)]
    models = [model for model in models if model.get("reason")]
    for number in range(count + 1):
        body = json.loads(json.dumps(models[number % len(models)]))
        body["metadata"] |= {"uid": f"event-{number:06}", "name": f"e-{number:06}", "resourceVersion": str(number + 1)}
        yield {"t": T0 + (10 if number else 0), "type": "ADDED" if number else "LIST", "object": body}


OURS = """
import resource, sys, threading, time
from pathlib import Path
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.kinds import WATCHED
from afscope.capture.kube.listwatch import KubeCollector, Timing
from afscope.capture.tape import Tape
from afscope.model.pace import SystemPace
from afscope.store.writer import CaptureWriter, WriterOptions
config, kind, wanted, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
cluster = Cluster.connect(kubeconfig=config, max_rps=1000)
with CaptureWriter.create(Path(out), clock=SystemPace(), options=WriterOptions(seal_apart=True)) as writer:
    tape = Tape(writer, SystemPace())
    watched = next(w for w in WATCHED if w.plural == kind)
    collector = KubeCollector(cluster, tape, watched, timing=Timing())
    stop, seen, total = threading.Event(), [0], [0]
    observed = tape.observed
    def count(change, raw, *, kind, since=None):
        timed = observed(change, raw, kind=kind, since=since)
        if change != "STATE":
            seen[0] += 1
            total[0] += len(raw)
            if seen[0] >= wanted:
                stop.set()
        return timed
    tape.observed = count
    thread = threading.Thread(target=collector.run, args=(stop,), daemon=True)
    thread.start()
    while not collector.answered:
        time.sleep(0.01)
    time.sleep(0.3)
    begin = time.process_time()
    print("ready", flush=True)
    stop.wait()
    writer.flush()
    spent, most = time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cluster.close()
    writer.close()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(spent, most, total[0], children.ru_utime + children.ru_stime, children.ru_maxrss, flush=True)
"""

THEIRS = """
import resource, sys, time
from kubernetes import client, config, watch
config.load_kube_config(sys.argv[1])
kind, wanted = sys.argv[2], int(sys.argv[3])
api = client.CoreV1Api()
listing = api.list_pod_for_all_namespaces if kind == "pods" else api.list_event_for_all_namespaces
version = listing(limit=500).metadata.resource_version if kind == "events" else listing().metadata.resource_version
begin = time.process_time()
print("ready", flush=True)
seen = 0
for event in watch.Watch().stream(listing, resource_version=version, timeout_seconds=3600):
    seen += 1
    if seen >= wanted:
        break
print(time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, 0, 0, flush=True)
import os
os._exit(0)
"""


def turn(url: str, **clock: object) -> None:
    """Sets the replay's clock."""
    request = urllib.request.Request(
        f"{url}/afscope/clock", json.dumps(clock).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=60).close()


def jump(url: str, second: int) -> None:
    turn(url, jump=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(T0 + second)))


def measured(url: str, program: list[str]) -> tuple[float, float, int, float, float]:
    """CPU seconds, MiB and bytes of one client of ours or theirs; CPU seconds of its children, MiB of the largest."""
    jump(url, 1)
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        jump(url, 20)
        cpu, rss, size, more, child = process.stdout.readline().split()
    return float(cpu), int(rss) / 1024, int(size), float(more), int(child) / 1024


def kubectl(url: str, config: Path, kind: str, out: Path) -> tuple[float, float, int] | None:
    """The same of `kubectl get -w -o json` into a file, its whole run; None where there is none."""
    jump(url, 1)
    with out.open("wb") as file:
        try:
            process = subprocess.Popen(
                ["kubectl", "--kubeconfig", str(config), "get", kind, "-A", "-w", "-o", "json"], stdout=file
            )
        except FileNotFoundError:
            return None
        time.sleep(3)
        jump(url, 20)
        before, still = -1, 0
        while still < 8:
            time.sleep(0.25)
            size = out.stat().st_size
            still, before = (still + 1 if size == before else 0), size
        process.terminate()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.stat().st_size


def compare(folder: Path, kind: str, lines: Iterator[dict[str, Any]], wanted: int) -> None:
    """Serves one kind and prints one line per client."""
    source = folder / kind
    (source / "k8s").mkdir(parents=True)
    with gzip.open(source / "k8s" / f"{kind}.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    config = folder / f"{kind}.kubeconfig"
    serve = [
        sys.executable,
        "-m",
        "afscope",
        "serve",
        str(source),
        "--no-db",
        "--paused",
        "--kubeconfig-out",
        str(config),
    ]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        url = json.loads(serving.stdout.readline())["url"]
        out = folder / f"{kind}.afscope"
        ours = measured(url, [sys.executable, "-c", OURS, str(config), kind, str(wanted), str(out)])
        theirs = measured(url, [sys.executable, "-c", THEIRS, str(config), kind, str(wanted)])
        other = kubectl(url, config, kind, folder / f"{kind}.json")
        serving.terminate()
    on_disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"\n{wanted} updates of {kind}, {ours[2] / wanted / 1024:.1f} KiB each")
    print(f"{'':26}{'updates/s of CPU':>18}{'MiB resident':>14}{'on disk MiB':>13}")
    print(f"{'afscope, rows in the WAL':26}{wanted / ours[0]:18,.0f}{ours[1]:14.0f}{on_disk / 2**20:13.1f}")
    print(f"{'  and its seals, apart':26}{wanted / (ours[0] + ours[3]):18,.0f}{ours[4]:14.0f}{'':13}")
    print(f"{'official client, Watch':26}{wanted / theirs[0]:18,.0f}{theirs[1]:14.0f}{'-':>13}")
    if other is not None:
        print(f"{'kubectl -w -o json':26}{wanted / other[0]:18,.0f}{other[1]:14.0f}{other[2] / 2**20:13.1f}")
    print(f"afscope takes {theirs[0] / ours[0]:.1f} times the updates of the official client per core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=2000)
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), "pods", pods(options.pods, options.updates), options.updates)
        compare(Path(name), "events", events(options.events), options.events)


if __name__ == "__main__":
    main()
