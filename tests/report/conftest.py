"""One incident with hostile names for the reports, and an ordinary one."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from afscope.cli.samples import SUFFIX, samples
from afscope.engine.investigation import Investigation
from afscope.report.content import Look
from tests.engine.incident import Incident

UTC = ZoneInfo("UTC")
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp\x1b[2J\x00'\"{{7*7}}"
LOOK = Look("en", UTC, "incident")


def full_pool(pool: str = "tiny", dag: str = "etl", task: str = "t") -> Incident:
    """Forty tasks wait for a pool of two slots, whose holders run all the time."""
    case = Incident(200)
    case.dag(dag)
    case.pool(pool, 2)
    case.run("r", 0, 1, dag=dag)
    case.workers()
    for number in range(40):
        held = number < 2
        case.task(
            f"{task}{number:02}", "r", dag=dag, pool=pool, none=1, scheduled=2, queued=3 if held else None,
            running=20 if held else None, host="w0",
        )  # fmt: skip
    return case


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Investigation]:
    case = full_pool(pool=f"pool{EVIL}", dag=f"dag{EVIL}", task=f"task{EVIL}")
    case.event(5, "Failed", "Pod", f"w0{EVIL}", f"could not {EVIL}")
    case.event(6, "BackOff", "Pod", "w0", EVIL)
    opened = case.open(tmp_path_factory.mktemp("hostile"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Investigation]:
    opened = full_pool().open(tmp_path_factory.mktemp("ordinary"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shipped() -> dict[str, Path]:
    """The shipped samples by name: real incidents."""
    return {item.name: Path(str(item.file)) for item in samples() if item.file.name.endswith(SUFFIX)}
