"""Where the project is."""

from pathlib import Path

import pytest

import afscope
from afscope.cli.samples import samples

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(afscope.__file__).parent


@pytest.fixture(scope="session")
def shipped_sample() -> Path:
    """A real capture."""
    return Path(str(samples()[0].file))
