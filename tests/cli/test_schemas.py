"""What commands print as JSON, against the schemas that are shipped."""

import json
from pathlib import Path
from typing import Any

import pytest

from afscope.cli.schemas import names, text
from tests.cli.conftest import Run

COMMANDS: dict[str, list[str]] = {
    "analyze": ["analyze"],
    "timeline": ["timeline"],
    "waits": ["waits"],
    "simulate": ["simulate", "--set", "maxReplicaCount=2", "--draws", "3"],
    "gate": ["gate", "--set", "maxReplicaCount=9"],
    "diff": ["diff"],
    "fleet": ["fleet analyze", "-j", "1"],
}


def closed(schema: Any) -> Any:
    """The schema as of this version: no other keys. What is shipped leaves room for those that later ones add."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: closed(value) for key, value in schema.items()}
    if "properties" in out and isinstance(out["properties"], dict) and "additionalProperties" not in out:
        out["additionalProperties"] = False
    return out


def errors(name: str, document: Any, *, strict: bool) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the test extra")
    schema = json.loads(text(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(closed(schema) if strict else schema)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]


def test_every_document_has_a_schema_and_is_tested() -> None:
    assert names() == sorted(COMMANDS)


@pytest.mark.parametrize("sample", ["metrics-apiserver-hung", "healthy", "max-replicas-ceiling"])
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_documents_keep_to_their_schema(shipped: dict[str, Path], run: Run, name: str, sample: str) -> None:
    command, *options = COMMANDS[name]
    paths = [shipped[sample], shipped["healthy"]] if name == "diff" else [shipped[sample]]
    document = json.loads(run(*command.split(), *paths, *options, "-o", "json").out)
    # a target's row is whatever is known of the ScaledObject
    for target in document.get("targets", []) if name == "analyze" else []:
        for key in set(target) - {"target"}:
            del target[key]
    assert errors(name, document, strict=True) == []


def test_a_schema_sees_what_is_wrong(shipped: dict[str, Path], run: Run) -> None:
    document = json.loads(run("analyze", shipped["healthy"], "-o", "json").out)
    assert errors("analyze", {**document, "new_key": 1}, strict=False) == []
    document["verdict"]["healthy"] = "yes"
    document["findings"][0]["confidence"] = 7
    del document["gaps"]
    assert len(errors("analyze", document, strict=False)) == 3
