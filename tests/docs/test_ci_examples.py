"""The CI examples: valid for GitHub and GitLab, and their commands are ones that afscope has."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Run, run

__all__ = ["run"]

FOLDER = Path(__file__).parents[2] / "docs" / "ci"
SCHEMAS = {"github-actions.yaml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_is_valid(name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema comes with the test extra")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name], str(FOLDER / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [line for item in value.values() for line in lines(item)]
    if isinstance(value, list):
        return [line for item in value for line in lines(item)]
    return [line.strip() for line in value.splitlines()] if isinstance(value, str) else []


@pytest.mark.parametrize("name", SCHEMAS)
def test_commands_of_an_example_exist(name: str, run: Run) -> None:
    document = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    commands = [line.split(" > ")[0].split() for line in lines(document) if line.startswith("afscope ")]
    assert {command[1] for command in commands} >= {"gate", "analyze"}
    for _, verb, *words in commands:
        text = run(verb, "--help").out
        for flag in (word for word in words if word.startswith("-")):
            assert flag in text, f"{verb} {flag}"
