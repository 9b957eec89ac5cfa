"""Files: their size, what must not stand in them, and which must exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from afscope import __version__
from tests.house.conftest import PACKAGE, ROOT

MODULE_LINES = 600
FUNCTION_LINES = 60
ANALYZER_LINES = 120
# Written apart, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.])/" + r"(?:work|root|Users|farm|home/\w+)/")
TEXT = {".py", ".sql", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".css", ".tcss", ""}


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder).parts
            if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside):
                yield path


def modules() -> list[Path]:
    return [path for path in files(PACKAGE, ROOT / "tests", ROOT / "benchmarks") if path.suffix == ".py"]


def test_modules_stay_readable() -> None:
    assert len(modules()) > 30
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {str(path): size for path, size in sizes.items() if size > MODULE_LINES} == {}


def test_functions_stay_readable() -> None:
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert long == []


def test_no_path_of_somebodys_machine() -> None:
    folders = [ROOT / name for name in ("afscope", "analyzers", "benchmarks", "captures", "docs", "tests", ".ci")]
    paths = [*files(PACKAGE, *(folder for folder in folders if folder.is_dir())), *ROOT.glob("*.md")]
    paths += [path for path in (ROOT / ".ci").iterdir() if path.is_file()]
    found = [
        f"{path}:{number}"
        for path in paths
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/index.md", "docs/cli.md"]
)
def test_a_reader_finds_what_belongs_to_a_project(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8")) > 200


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *files(ROOT / "docs")]
    dead = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert dead == []
