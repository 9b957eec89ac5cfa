"""Keeps the developer's own machine out of the tests: cache, config and state live in a folder of this run.

A test that needs a server skips where there is none. AFSCOPE_DEMAND names servers (postgresql mariadb redis rabbitmq)
that are there for sure: then such a skip is a failure, because something is wrong with the way to it.
"""

import os
import re
from collections.abc import Generator, Iterator

import pytest

DEMANDED = os.environ.get("AFSCOPE_DEMAND", "").split()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
    for server in DEMANDED:
        if re.search(rf"\bno {server}\b", reason, re.IGNORECASE):
            report.outcome, report.longrepr = "failed", f"{server} is demanded: {reason}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CACHE", "CONFIG", "STATE", "DATA"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.mktemp(kind.lower())))
        patch.delenv("AFSCOPE_ANALYZERS", raising=False)
        patch.delenv("AFSCOPE_DEBUG", raising=False)
        yield
