"""airflow.cfg out of ConfigMaps and files: what is read, how often, and what happens when it may not be."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from afscope.capture.airflow_cfg import CfgCollector, LocalFile, local_files
from afscope.capture.kube.configmaps import ConfigMaps
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError
from afscope.engine.catalog import shipped_folder
from afscope.engine.session import Session
from afscope.store.reader import Capture
from tests.capture.conftest import Deck


class Server:
    """Lists and gets ConfigMaps; stands where `Cluster` stands."""

    def __init__(self, **maps: str) -> None:
        self.maps, self.asked, self.refused = maps, list[str](), 0

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, timeout_s: float = 30.0) -> bytes:
        self.asked.append(path)
        if self.refused:
            raise ApiError(self.refused, "Forbidden", "configmaps is forbidden")
        items = [
            {"metadata": {"namespace": "air", "name": name}, "data": {"airflow.cfg": text, "secret": "hunter2"}}
            for name, text in self.maps.items()
        ]
        items.insert(0, {"metadata": {"namespace": "air", "name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}})
        name = path.rpartition("/")[2]
        if name != "configmaps":
            found = [item for item in items if item["metadata"]["name"] == name]
            if not found:
                raise ApiError(404, "NotFound", f"{name} not found")
            return json.dumps(found[0]).encode()
        at = int((query or {}).get("continue") or 0)
        token = str(at + 1) if at + 1 < len(items) else ""
        return json.dumps({"metadata": {"continue": token}, "items": items[at : at + 1]}).encode()


def settings(deck: Deck) -> list[tuple[str, str, str, str]]:
    return [(row["scope"], row["key"], row["value"], row["change"]) for row in deck.rows("airflow_config")]


def test_config_maps_are_looked_for_once_and_then_read_by_name(deck: Deck) -> None:
    server = Server(config="[core]\nparallelism = 64", other="nothing")
    collector = CfgCollector(deck.tape, [ConfigMaps(cast("Cluster", server), ("air",))])
    collector.read_once()
    assert settings(deck) == [("air/config", "core.parallelism", "64", "STATE")]
    assert set(server.asked) == {"/api/v1/namespaces/air/configmaps"}
    server.asked.clear()
    server.maps["config"] = "[core]\nparallelism = 16"
    collector.read_once()
    assert server.asked == ["/api/v1/namespaces/air/configmaps/config", "/api/v1/namespaces/air/configmaps/other"]
    del server.maps["config"]
    collector.read_once()
    assert [change for *_, change in settings(deck)] == ["STATE", "MODIFIED", "DELETED"]
    deck.writer.close()
    assert not any(b"hunter2" in path.read_bytes() for path in deck.path.rglob("*") if path.is_file())


def test_what_may_not_be_read_is_noted_and_keeps_what_it_said(deck: Deck) -> None:
    server = Server(config="[core]\nparallelism = 64")
    server.refused = 403
    collector = CfgCollector(deck.tape, [ConfigMaps(cast("Cluster", server), ())])
    collector.read_once()
    assert server.asked == ["/api/v1/configmaps"]
    noted = deck.writer.manifest.settings["airflow_cfg"]
    assert noted == {"airflow.cfg in ConfigMaps": "not read: configmaps is forbidden"}
    assert "airflow_config" not in deck.sources
    server.refused = 0
    collector.read_once()
    server.refused = 500
    collector.read_once()
    assert settings(deck) == [("air/config", "core.parallelism", "64", "STATE")]


def test_the_file_of_ones_own_container(deck: Deck, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_bytes(b"[core]\nparallelism = 7\nfernet_key = \xff\xfe\n")
    CfgCollector(deck.tape, local_files({"AIRFLOW_HOME": str(tmp_path)})).read_once()
    assert settings(deck) == [(str(tmp_path / "airflow.cfg"), "core.parallelism", "7", "STATE")]
    assert local_files({}) == ()
    assert LocalFile(tmp_path / "none").read() == {}


def test_the_environment_beats_the_file(deck: Deck) -> None:
    files = CfgCollector(deck.tape, [ConfigMaps(cast("Cluster", Server(config="[core]\nparallelism = 64")), ("air",))])
    files.read_once()
    assert _parallelism(deck) == 64
    pod = {
        "kind": "Deployment", "metadata": {"namespace": "air", "name": "scheduler", "uid": "u", "resourceVersion": "1"},
        "spec": {"template": {"spec": {"containers": [
            {"name": "scheduler", "env": [{"name": "AIRFLOW__CORE__PARALLELISM", "value": "8"}]}]}}},
    }  # fmt: skip
    deck.tape.observed("STATE", json.dumps(pod).encode(), kind="Deployment")
    assert _parallelism(deck) == 8


def _parallelism(deck: Deck) -> int:
    """What the analyzers take for it."""
    deck.writer.flush()
    session = Session(Capture.open(deck.path))
    try:
        (row,) = session.dicts((shipped_folder() / "timeline" / "airflow.sql").read_text())
    finally:
        session.close()
    return int(row["parallelism"])
