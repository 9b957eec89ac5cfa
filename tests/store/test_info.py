"""What `info` says of a capture, as JSON."""

import json

from afscope.model.capture import SourceState
from afscope.model.row import Row
from afscope.store.info import info
from afscope.store.proven import METRIC
from afscope.store.schema import TABLES

from .conftest import SECOND, START, Make, event


def test_info_tells_state_sources_sizes_and_holes(make: Make) -> None:
    writer = make(id="abc", cluster="prod")
    writer.extend([event(0), event(1)])
    writer.set_source("nodes", SourceState.ABSENT, "no such kind")
    writer.gap("events", START, START + SECOND, "watch expired")
    writer.count_redaction("env", 2)
    writer.seal()
    writer.append(event(2))
    told = {
        "ts": START + SECOND,
        "seen_at": START + SECOND,
        "change": "ADDED",
        "metric": METRIC + "events",
        "value": 0.5,
    }
    writer.append(Row("samples", told))
    writer.flush()
    document = json.loads(json.dumps(info(writer.path)))
    assert (document["id"], document["cluster"], document["format_version"]) == ("abc", "prod", 1)
    assert (document["closed"], document["being_written"]) == (False, True)
    assert document["started_at"] == "2026-11-18T11:10:00.000000Z"
    assert document["sources"].keys() == TABLES.keys()
    assert document["sources"]["nodes"] == {"status": "absent", "reason": "no such kind"}
    assert document["sources"]["hpas"] == {"status": "not_recorded"}
    assert document["tables"].keys() == {"events", "gaps", "samples"}
    assert document["proven"] == {"events": "2026-11-18T11:10:00.500000Z"}
    size = (writer.path / "segments/events/00000001.parquet").stat().st_size
    assert document["tables"]["events"] == {"rows": 3, "bytes": size, "segments": 1}
    assert document["gaps"] == [
        {
            "source": "events",
            "from": "2026-11-18T11:10:00.000000Z",
            "to": "2026-11-18T11:10:01.000000Z",
            "reason": "watch expired",
        }
    ]
    assert document["redactions"] == {"env": 2}
    writer.close()
    assert (info(writer.path)["closed"], info(writer.path)["being_written"]) == (True, False)
