"""What-if and SQL: they answer for the selected range, and can be called off."""

from pathlib import Path

import pytest
from textual.widgets import Static

from afscope.engine.apart import Apart
from afscope.engine.growing import Growing
from afscope.engine.investigation import Investigation
from afscope.engine.preview import Preview
from afscope.errors import QueryError
from afscope.model.clock import SECOND
from afscope.model.stop import Stop
from afscope.simulate import simulate
from afscope.tui.screens import whatif
from afscope.tui.screens.sql import Sql
from afscope.tui.screens.whatif import WhatIf
from afscope.tui.whatif import simulated
from tests.tui.conftest import Driver, Start

MANY = 500_000
"""Draws that nobody waits for."""


def told(app: Driver) -> str:
    return str(app.screen.body.query_one(".about", Static).render())


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[Stop]:
    """Simulations that go on until they are called off; gives the Stop of each."""
    stops: list[Stop] = []

    def forever(case: Investigation, variants: object, target: str, lang: str, span: object, stop: Stop) -> object:
        stops.append(stop)
        from afscope import simulate as package

        monkeypatch.setattr(package, "_MOST_JOBS", 10**12)
        return package.simulate(case, (), target=target, draws=MANY, stop=stop)[0]

    monkeypatch.setattr(whatif, "simulated", forever)
    return stops


async def begun(app: Driver, stops: list[Stop], count: int) -> None:
    await app.pilot.press("f5")
    while len(stops) < count:
        await app.pilot.pause(0.02)
    assert "simulating" in told(app)
    assert "Esc calls it off" in told(app)


async def test_a_simulation_is_called_off_at_once(start: Start, incident: Investigation, endless: list[Stop]) -> None:
    async with start(incident) as app:
        await app.press("W")
        await begun(app, endless, 1)
        await app.pilot.press("escape")
        await app.settle()  # returns only once the thread is through
        assert endless[0].asked
        assert told(app).startswith("called off")
        assert app.screen.current == "whatif"
        await begun(app, endless, 2)
        await app.pilot.press("1")
        await app.settle()
        assert endless[1].asked, "leaving the screen calls it off"
        await app.press("W")
        await begun(app, endless, 3)
    assert endless[2].asked, "so does leaving the program"


def test_stop_ends_every_part_of_a_simulation(incident: Investigation) -> None:
    stop = Stop()
    stop.now()
    with pytest.raises(QueryError, match="called off"):
        simulate(incident, stop=stop)
    assert simulate(incident, draws=1)


def ranged(app: Driver, first: int, last: int) -> tuple[int, int]:
    place = app.screen.place
    place.select((place.axis.start + first * SECOND, place.axis.start + last * SECOND))
    assert place.range is not None
    return place.range


async def test_what_if_simulates_the_range(start: Start, incident: Investigation, capture: Path) -> None:
    async with start(incident, size=(140, 45)) as app:
        await app.press("W", "f5")
        body = app.screen.body
        assert isinstance(body, WhatIf)
        assert "Outcomes of airflow/ml-worker, the whole capture" in told(app)
        whole = [line.cells for line in body._outcomes.rows.lines(0, 9)]
        span = ranged(app, 40, 80)
        await app.settle()
        assert "Outcomes were of airflow/ml-worker, the whole capture" in told(app)
        await app.press("f5")
        assert "Outcomes of airflow/ml-worker, the range" in told(app)
        part = [line.cells for line in body._outcomes.rows.lines(0, 9)]
        assert part[0] != whole[0]
        alone = Investigation.open(capture, since=span[0], until=span[1])
        recorded = simulate(alone)[0].recorded
        alone.close()
        assert part[0][3].startswith(f"{recorded.wait_total_s:,.0f}"), "the same as --since and --until"


def test_a_case_that_grows_is_simulated_where_its_analysis_is(capture: Path, incident: Investigation) -> None:
    growing = Growing(capture)
    apart = Apart(capture, "en", (), Stop())
    case = growing.case(apart)
    try:
        target = str(incident.targets()[0]["target"])
        found = simulated(case, [{"maxReplicaCount": "9"}], target, "en")
        assert found.recorded == simulate(incident, draws=1)[0].recorded
        assert found.variants[0].set == {"maxReplicaCount": "9"}
        with pytest.raises(Exception, match="nosuch"):
            simulated(case, [{"nosuch": "9"}], target, "en")
        with pytest.raises(QueryError, match="before the analysis"):
            simulated(growing.case(), [], target, "en")
    finally:
        case.close()
        growing.close()
    preview = Preview.open(capture)
    with pytest.raises(QueryError, match="before the analysis"):
        simulated(preview, [], target, "en")
    preview.close()


# --- SQL


async def ask(app: Driver, sql: str) -> Sql:
    body = app.screen.body
    assert isinstance(body, Sql)
    body._editor.text = sql
    await app.press("f5")
    return body


async def test_sql_knows_the_range(start: Start, incident: Investigation, tmp_path: Path) -> None:
    query = "SELECT epoch_us($from) AS a, epoch_us($to) AS b"
    async with start(incident) as app:
        await app.press("9")
        place = app.screen.place
        body = await ask(app, query)
        assert body._answer.rows == ((f"{place.axis.start}", f"{place.axis.end}"),)
        assert "$from and $to are the selected range, else the whole" in app.frame()
        span = ranged(app, 20, 40)
        body = await ask(app, query)
        assert body._answer.rows == ((f"{span[0]}", f"{span[1]}"),)
        assert "$from and $to are the range: 2026-11-22 20:17:39–20:17:59 UTC" in app.frame()
        await app.press("ctrl+s")
        await app.type(str(tmp_path / "out.csv"))
        assert (tmp_path / "out.csv").read_text().splitlines()[1] == f"{span[0]},{span[1]}"
        await ask(app, "SELECT $since")
        assert "$since has no value" in told(app)


async def test_a_query_is_called_off(start: Start, incident: Investigation) -> None:
    async with start(incident) as app:
        await app.press("9")
        body = app.screen.body
        assert isinstance(body, Sql)
        body._editor.text = "SELECT count(*) FROM range(1000000000000) a"
        await app.pilot.press("f5")
        await app.pilot.press("escape")
        await app.settle()  # returns only once the thread is through
        assert told(app) == "called off"
