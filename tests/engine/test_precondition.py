"""An analyzer is left out only where it could not give a row."""

import json
from pathlib import Path

import pytest

from afscope.engine import precondition
from afscope.engine.facts import parameters
from afscope.engine.investigation import Investigation
from afscope.engine.precondition import Condition, Contents, preconditions
from afscope.engine.session import Session
from afscope.ingest import import_sources

OURS = Path(__file__).parents[1] / "data" / "recordings"
KILLS, PODS = ["rows", "kills"], ["rows", "pods"]
OOM = ["value", "events", "reason", ["OOMKilling"]]


def test_the_shipped_conditions_are_those_of_the_shipped_analyzers() -> None:
    """Else: python -m afscope.engine.precondition."""
    known = json.loads(Path(precondition.__file__).with_name("preconditions.json").read_text())
    assert known == precondition.shipped()
    assert len(known) > 100


@pytest.mark.parametrize(
    ("sql", "condition"),
    [
        ("SELECT 1", True),
        ("FROM kills", KILLS),
        ("FROM kills, pods", ["all", KILLS, PODS]),
        ("FROM kills k ASOF JOIN pods p ON k.a = p.a AND k.t >= p.t", ["all", KILLS, PODS]),
        ("FROM kills LEFT JOIN pods USING (a)", KILLS),
        ("FROM kills RIGHT JOIN pods USING (a)", PODS),
        ("FROM kills FULL JOIN pods USING (a)", ["any", KILLS, PODS]),
        ("FROM kills ANTI JOIN pods USING (a)", KILLS),
        ("FROM kills UNION ALL FROM pods", ["any", KILLS, PODS]),
        ("FROM kills EXCEPT FROM pods", KILLS),
        ("WITH kills AS (FROM pods) FROM kills", PODS),
        ("WITH pods AS (SELECT 1) FROM pods", True),
        ("WITH RECURSIVE r AS (FROM kills UNION ALL FROM r) FROM r", True),
        ("FROM kills k WHERE EXISTS (FROM pods p WHERE p.a = k.a)", ["all", KILLS, PODS]),
        ("FROM kills k WHERE NOT EXISTS (FROM pods p WHERE p.a = k.a)", KILLS),
        ("FROM kills k WHERE k.a IN (SELECT a FROM pods) OR k.b", KILLS),
        ("FROM events e WHERE e.reason = 'OOMKilling'", ["all", ["rows", "events"], OOM]),
        ("FROM events WHERE 'OOMKilling' = reason", ["all", ["rows", "events"], OOM]),
        ("FROM events, kills WHERE reason = 'OOMKilling'", ["all", ["rows", "events"], KILLS]),
        ("FROM kills LEFT JOIN events e ON e.reason = 'OOMKilling'", KILLS),
        ("FROM events e WHERE NOT (e.reason = 'OOMKilling')", ["rows", "events"]),
        ("SELECT count(*) FROM kills", True),
        ("SELECT count(*) FROM kills HAVING count(*) > 0", KILLS),
        ("SELECT count(*) FROM kills HAVING count(*) >= 0", True),
        ("SELECT FROM WHERE", True),
        ("SELECT max(a) FROM kills HAVING max(a) > 3", KILLS),
        ("SELECT count(*) FROM kills GROUP BY ALL", True),
        ("SELECT a, count(*) FROM kills GROUP BY ALL", KILLS),
        ("SELECT a, count(*) FROM kills GROUP BY GROUPING SETS ((a), ())", True),
        ("SELECT a, max(b) OVER () FROM kills", KILLS),
        ("SELECT k.n FROM pods, LATERAL (SELECT count(*) AS n FROM kills) k", PODS),
    ],
)
def test_what_a_select_cannot_do_without(sql: str, condition: Condition) -> None:
    assert preconditions([sql]) == [condition]


def test_contents_are_looked_up() -> None:
    session = Session(None)
    session.materialize("kills", "SELECT 1 AS a")
    session.materialize("events", "SELECT 'Killing' AS reason")
    held = Contents(session)
    assert held.holds(KILLS)
    assert not held.holds(PODS)
    assert held.holds(["any", PODS, KILLS])
    assert not held.holds(["all", PODS, KILLS])
    assert not held.holds(OOM)
    assert held.holds(["value", "events", "reason", ["Killing", "OOMKilling"]])
    assert held.may_speak("FROM nobody_knows_this")


@pytest.mark.parametrize("name", sorted(path.parent.name for path in OURS.glob("*/label.json")))
def test_who_is_left_out_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    import_sources([OURS / name], tmp_path / "out.afscope")
    case = Investigation.open(tmp_path / "out.afscope")
    held, silent = Contents(case.session), 0
    for file in case.catalog.analyzers:
        if file.header.group != "timeline" and not held.may_speak(file.sql):
            silent += 1
            assert case.session.run(file.sql, parameters(file, case.start, case.end)).rows == [], file.header.id
    assert silent > 20
