"""Every object of the recordings in tests/data (and AFSCOPE_RECORDINGS): typed, complete, in order, storable."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from afscope.ingest.recording import KINDS
from afscope.model.clock import SystemClock, from_seconds
from afscope.model.row import Row
from afscope.normalize.kube import TABLE_OF_KIND, KubeNormalizer
from afscope.normalize.redact import Redactor
from afscope.store.rows import RowCodec
from afscope.store.schema import TABLES

HERE = Path(__file__).parents[1] / "data" / "recordings"
MORE = os.environ.get("AFSCOPE_RECORDINGS")
FOLDERS = [p.parent for root in (HERE, Path(MORE) if MORE else HERE) for p in root.glob("*/k8s")]
CODECS = {name: RowCodec(name) for name in TABLES}


class Line(msgspec.Struct):
    t: float
    type: str
    object: msgspec.Raw


def observed(folder: Path, kube: KubeNormalizer) -> Iterator[tuple[dict[str, Any], list[Row]]]:
    for path in sorted((folder / "k8s").glob("*.jsonl.gz")):
        kind = KINDS[path.name.split(".")[0]][0]
        for text in gzip.decompress(path.read_bytes()).splitlines():
            line = msgspec.json.decode(text, type=Line)
            if line.type in ("LIST", "ADDED", "MODIFIED", "DELETED"):
                change = "STATE" if line.type == "LIST" else line.type
                raw = bytes(line.object)
                yield msgspec.json.decode(raw), list(kube.observe(change, raw, from_seconds(line.t), kind=kind))


@pytest.mark.parametrize("folder", sorted(set(FOLDERS)), ids=lambda folder: folder.name)
def test_real_objects(folder: Path) -> None:
    kube = KubeNormalizer(Redactor())
    last: dict[Any, int] = {}
    seen = 0
    for sent, rows in observed(folder, kube):
        seen += 1
        for row in rows:
            CODECS[row.table].values(row.values, SystemClock())
            if row.table not in ("events", "airflow_config", "objects"):
                uid = row.values["uid"]
                assert row.values["ts"] >= last.get(uid, 0)
                last[uid] = row.values["ts"]
        whole = rows[-1]
        assert whole.table == "objects"
        body = msgspec.json.decode(str(whole.values["body"]))
        assert body["metadata"]["uid"] == sent["metadata"]["uid"]
        assert body.get("status") is not None or sent.get("status") is None
        assert body["kind"] in TABLE_OF_KIND
        assert body["apiVersion"]
        assert len(rows) >= 2 or body["kind"] == "Event"
    assert seen > 50
    assert kube.problems == []
