"""Keeps the developer's own machine out of the tests: cache, config and state live in a folder of this run."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CACHE", "CONFIG", "STATE", "DATA"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.mktemp(kind.lower())))
        patch.delenv("AFSCOPE_ANALYZERS", raising=False)
        patch.delenv("AFSCOPE_DEBUG", raising=False)
        yield
