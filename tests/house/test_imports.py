"""What a deferred import must keep out of a process, proven on sys.modules; and the layers, by import-linter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.conftest import ROOT

HEAVY = {"textual", "duckdb", "jinja2", "pyarrow", "kubernetes", "sqlalchemy", "pandas", "sqlglot", "numpy"}
_REPORT = "import json, sys; print('MODULES', json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"


def loaded(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `program`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{_REPORT}"], capture_output=True, text=True, check=True, timeout=60
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("MODULES "))
    return set(json.loads(line.removeprefix("MODULES ")))


def command(*arguments: str) -> str:
    return f"from afscope.cli.main import main\nmain({list(arguments)!r})"


def test_the_probe_itself_sees_a_heavy_import() -> None:
    assert "duckdb" in loaded("import duckdb")


@pytest.mark.parametrize(
    "program",
    [
        "import afscope",
        "import afscope.cli.main",
        command("--help"),
        command("--version"),
        command("analyze", "--help"),
    ],
)
def test_nothing_heavy_before_work_starts(program: str) -> None:
    assert loaded(program) & (HEAVY | {"rich", "msgspec"}) == set()


def test_a_wrong_path_is_refused_before_the_engine_is_loaded() -> None:
    assert loaded(command("open", "nowhere.afscope")) & {"textual", "duckdb"} == set()


def test_info_reads_a_capture_without_the_engine(shipped_sample: Path) -> None:
    modules = loaded(command("info", str(shipped_sample)))
    assert modules & {"textual", "duckdb", "kubernetes", "sqlalchemy", "sqlglot", "pandas"} == set()


def test_analyze_needs_no_screen_and_no_cluster(shipped_sample: Path) -> None:
    modules = loaded(command("analyze", str(shipped_sample), "-o", "json"))
    assert "duckdb" in modules
    assert modules & {"textual", "kubernetes", "sqlalchemy"} == set()


def test_layers_hold() -> None:
    if not (ROOT / "afscope").is_dir():
        pytest.skip("the tests run against an installed wheel; .ci/run checks the layers in the checkout")
    linter = pytest.importorskip("importlinter.cli", reason="import-linter comes with the dev extra")
    assert linter.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0
