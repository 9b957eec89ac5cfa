#!/usr/bin/env python3
"""What hostile files cost an import: peak memory and time, each in a process of its own, beside a small good file.

    python benchmarks/import_abuse.py [--line-mib 200] [--bomb-gib 2]

A line without an end in every form that is read by lines, and gzip bombs. The good file beside it must come in, the
bad one must be named, and memory must stay below 1 GiB. Exit 1 when not.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

GOOD = {"kind": "Pod", "metadata": {"name": "w", "uid": "w", "creationTimestamp": "2026-11-22T20:00:00Z"}}
LIMIT_MIB = 1024
HEADS = {
    "log": b"[2026-11-22T20:00:01.000+0000] {x.py:1} INFO - ",
    "objects.json": b'{"kind": "Pod", "metadata": {"name": "',
    "list.yaml": b"apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  x: ",
    "dump.sql": b"CREATE TABLE slot_pool (id int, pool text, slots int);\nINSERT INTO slot_pool VALUES (1,'",
    "copy.sql": b"COPY public.slot_pool (id, pool, slots) FROM stdin;\n1\t",
    "table.csv": b"id,pool,slots\n1,",
    "quoted.csv": b'id,pool,slots\n1,"',
    "events.txt": b"LAST SEEN   TYPE   REASON   OBJECT   MESSAGE\n5s          Normal x        pod/x    ",
    "describe.txt": b"Name:         x\nNamespace:    y\nLabels:       ",
    "metrics.txt": b'# TYPE a gauge\na{b="',
    "range.json": b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"',
    "pods.jsonl": b'{"t": 1795377901.0, "type": "LIST", "object": {"kind": "',
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--line-mib", type=int, default=200)
    parser.add_argument("--bomb-gib", type=float, default=2)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one)
    bad = 0
    for name, head in HEADS.items():
        bad += judged(name, lambda out, head=head: repeated(out, head, options.line_mib << 20))
    for name in ("bomb.log", "bomb.json"):
        head = HEADS["log" if name.endswith("log") else "objects.json"]
        bad += judged(f"{name}.gz", lambda out, head=head: bomb(out, head, int(options.bomb_gib * (1 << 30))))
    print(f"{len(HEADS) + 2} files, {bad} beyond bounds")
    return 1 if bad else 0


def repeated(out: IO[bytes], head: bytes, size: int) -> None:
    out.write(head)
    for _ in range(size >> 20):
        out.write(b"x" * (1 << 20))


def bomb(out: IO[bytes], head: bytes, size: int) -> None:
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        repeated(packed, head, size)  # type: ignore[arg-type]


def judged(name: str, write: Callable[[IO[bytes]], None]) -> bool:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "dump"
        folder.mkdir()
        (folder / "good.json").write_text(json.dumps(GOOD))
        with (folder / name).open("wb") as out:
            write(out)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, __file__, "--one", str(folder)], capture_output=True, text=True)
        took = time.perf_counter() - start
        said = (
            json.loads(done.stdout.splitlines()[-1])
            if done.returncode == 0
            else {"mib": -1, "pods": 0, "unread": [done.stderr[-300:]]}
        )
    wrong = done.returncode != 0 or said["mib"] > LIMIT_MIB or said["pods"] != 1
    print(
        f"{'--' if wrong else 'ok'} {name:16} {said['mib']:6} MiB {took:6.1f} s  {(said['unread'] or ['-'])[0][-110:]}"
    )
    return wrong


def one(folder: Path) -> int:
    from afscope.ingest import import_sources
    from afscope.store.reader import Capture

    out = folder.parent / "x.afscope"
    summary = import_sources([folder], out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"mib": peak, "pods": Capture.open(out).rows("pods"), "unread": summary.unread}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
