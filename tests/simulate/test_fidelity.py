"""Fidelity: every recorded decision is reached from its inputs, wrong rules are noticed, mismatches explain themselves."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afscope.control.hpa import Behavior
from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.simulation import SYNC, WRITE, Fidelity
from afscope.simulate import fidelity, looks
from afscope.simulate import world as worlds
from afscope.simulate.inputs import Series, Sizes
from tests.engine.incident import Incident, at
from tests.incidents.test_recordings import recordings
from tests.simulate.worlds import us

METRICS = [
    {
        "type": "External",
        "external": {"metric": {"name": "s0-postgresql"}, "target": {"type": "AverageValue", "averageValue": "1"}},
    }
]


@pytest.fixture(scope="module", params=recordings(), ids=lambda path: path.name)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Investigation]:
    folder: Path = request.param
    out = tmp_path_factory.mktemp("captures") / f"{folder.name}.afscope"
    import_sources([folder], out)
    opened = Investigation.open(out)
    yield opened
    opened.close()


def checks(investigation: Investigation, lang: str = "en") -> list[Fidelity]:
    world = worlds.load(investigation)
    return [fidelity.check(investigation, group, lang) for group in world.groups]


def test_recorded_decisions_are_reproduced(recorded: Investigation) -> None:
    for found in checks(recorded):
        assert found.writes_matched == found.writes_total
        assert found.syncs_matched >= 0.99 * found.syncs_observed
        assert found.syncs_observed > 0
        assert found.metric_width <= 1.0
        assert found.trusted == (found.writes_total > 0)
        assert all(miss.because for miss in found.mismatches)


def test_other_rules_do_not_reproduce_them(recorded: Investigation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check has teeth: a lower maximum cannot have made what was recorded."""
    (good,) = checks(recorded)
    if not good.writes_total:
        pytest.skip("nothing was written in this recording")
    spec_of = looks.spec_of
    monkeypatch.setattr(looks, "spec_of", lambda row: replace(spec_of(row), max_replicas=1, behavior=Behavior()))
    (bad,) = checks(recorded)
    matched = good.writes_matched + good.syncs_matched
    reached = max((size for _, size in _sizes(recorded)), default=0)
    assert bad.writes_matched + bad.syncs_matched < matched if reached > 1 else True


def _sizes(investigation: Investigation) -> list[tuple[Any, int]]:
    return [(moment, after) for moment, after in investigation.session.run("SELECT moment, after FROM decisions").rows]


def incident(**hpa: Any) -> Incident:
    """A burst of eight tasks; KEDA writes 0 → 1 at 12, the HPA's first sync at 20 says what `hpa` tells."""
    case = Incident(120)
    case.run("r1", 5, 6)
    for number in range(8):
        case.task(f"t{number}", "r1", none=5, scheduled=7, queued=8, running=30 + number / 10, ended=110, host="w0")
    case.active_from = 12
    case.replicas(12, 1, 0, "keda")
    case.replicas(12.2, 1, 1, "keda")
    case.hpa(11, active="ScalingDisabled", replicas=0, desired=0)
    case.amend(able_reason="SucceededGetScale", metrics=json.dumps(METRICS), limited_reason=None)
    case.replicas(20, 2, 1)
    case.replicas(20.3, 2, 2)
    case.hpa(20.05, metric=2, replicas=1, desired=2)
    case.amend(able_reason="SucceededRescale", metrics=json.dumps(METRICS), last_scale_time=at(20))
    case.amend(**hpa)
    case.pod("w0", 12, scheduled=12, started=14, ready=25)
    return case


def test_a_decision_by_the_rules_matches(tmp_path: Path) -> None:
    (found,) = checks(incident().open(tmp_path))
    assert (found.writes_matched, found.writes_total) == (2, 2)
    assert found.trusted
    assert "reproduce" in found.because


def test_a_decision_against_the_rules_is_told_with_what_was_expected(tmp_path: Path) -> None:
    (found,) = checks(incident(desired_replicas=5, limited_reason="TooManyReplicas").open(tmp_path))
    (miss, *_) = [m for m in found.mismatches if m.kind == WRITE]
    assert "1 → 5" in miss.recorded
    assert "1 → 2" in miss.expected
    assert miss.because
    assert not found.trusted
    assert found.because.startswith("NOT to be trusted")


def test_it_speaks_chinese(tmp_path: Path) -> None:
    (found,) = checks(incident(desired_replicas=5).open(tmp_path), "zh")
    assert found.because.startswith("不可信")


def test_a_wrong_word_in_a_condition_is_a_mismatch_too(tmp_path: Path) -> None:
    (found,) = checks(incident(limited_reason="ScaleUpLimit").open(tmp_path))
    assert found.writes_matched == 1


def test_an_hpa_that_follows_cpu_is_not_modelled_and_says_so(tmp_path: Path) -> None:
    cpu = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]
    (found,) = checks(incident(metrics=json.dumps(cpu)).open(tmp_path))
    assert any("not modelled" in miss.because for miss in found.mismatches)


def test_a_write_of_keda_without_demand_is_a_mismatch(tmp_path: Path) -> None:
    case = Incident(120)
    case.active_from = None
    case.replicas(50, 1, 0, "keda")
    (found,) = checks(case.open(tmp_path))
    assert (found.writes_total, found.writes_matched) == (1, 0)
    assert found.mismatches[0].because == "no row that the trigger counts was on record around this poll"


def test_a_scale_to_zero_before_the_cooldown_is_over_is_a_mismatch(tmp_path: Path) -> None:
    case = incident()
    case.task("late", "r1", none=5, scheduled=7, queued=8, running=30, ended=60, host="w0")
    for row in list(case.rows):  # nothing runs after 60
        if row.table == "task_instances" and row.values.get("end_date") == at(110):
            row.values.update(ts=at(60), seen_at=at(60), end_date=at(60))  # type: ignore[attr-defined]
    case.replicas(70, 0, 2, "keda")
    (found,) = checks(case.open(tmp_path))
    told = [miss for miss in found.mismatches if miss.recorded == "2 → 0"]
    assert [miss.because for miss in told] == ["by the recorded lastActiveTime the cooldown was not over"]


def test_a_late_scale_to_zero_says_that_keda_was_not_polling(tmp_path: Path) -> None:
    case = incident()
    case.end = 200
    case.keda_dead = (60, 200)
    for row in case.rows:
        if row.table == "task_instances" and row.values.get("end_date") == at(110):
            row.values.update(ts=at(58), seen_at=at(58), end_date=at(58))  # type: ignore[attr-defined]
    case.replicas(180, 0, 2, "keda")
    (found,) = checks(case.open(tmp_path))
    assert any("was not polling" in miss.because for miss in found.mismatches)


def test_without_any_write_nothing_is_claimed(tmp_path: Path) -> None:
    (found,) = checks(Incident(60).open(tmp_path))
    assert not found.trusted
    assert "no write" in found.because


def test_syncs_and_writes_are_counted_apart(tmp_path: Path) -> None:
    case = incident()
    case.hpa(35.1, metric=2, replicas=2, desired=2)
    case.amend(metrics=json.dumps(METRICS))
    (found,) = checks(case.open(tmp_path))
    assert (found.writes_total, found.syncs_observed) == (2, 2)
    assert {miss.kind for miss in found.mismatches} <= {SYNC, WRITE}
    assert found.syncs_matched == 2


def test_a_recorder_that_began_late_knows_no_memory_and_excludes_none(tmp_path: Path) -> None:
    """Before the recording the HPA wanted more than its maximum; that memory holds the size and its words."""
    case = Incident(120)
    case.run("r1", 5, 6)
    for number in range(12):
        case.task(f"t{number}", "r1", none=5, scheduled=7, queued=8, running=30 + number / 10, ended=110, host="w0")
    case.active_from = 12
    case.begins = 60
    case.replicas(40, 5, 5)
    case.hpa(50.1, metric=5, replicas=5, desired=5, limited="TooManyReplicas")
    case.amend(metrics=json.dumps(METRICS), able_reason="ReadyForNewScale")
    for second, told in ((80.1, 3), (95.1, 3.005)):
        case.hpa(second, metric=told, replicas=5, desired=5, limited="TooManyReplicas")
        case.amend(metrics=json.dumps(METRICS), able_reason="ScaleDownStabilized")
    (found,) = checks(case.open(tmp_path))
    assert (found.syncs_observed, found.syncs_matched) == (2, 2)


def test_syncs_that_changed_nothing_left_no_trace(tmp_path: Path) -> None:
    case = incident()
    case.hpa(95.2, metric=1, replicas=2, desired=2, limited="DesiredWithinRange")
    case.amend(metrics=json.dumps(METRICS), able_reason="ScaleDownStabilized")
    (found,) = checks(case.open(tmp_path))
    assert found.unobservable == 4


def test_the_values_around_an_instant() -> None:
    known = Series((us(10), us(20), us(30)), (1000, 2000, 0))
    assert known.around(us(5)) == {0}
    assert known.around(us(15)) == {1000}
    assert known.around(us(21)) == {1000, 2000}
    assert known.around(us(40)) == {0}


def test_the_sizes_that_a_sync_may_have_read() -> None:
    shown = Sizes(((us(0), 1, 1, 1), (us(10), 4, 1, 1), (us(10.2), 4, 4, 1), (us(12), 4, 4, 4)))
    assert shown.around(us(5), 1) == [(1, 1)]
    assert set(shown.around(us(10.5), 4)) >= {(4, 1), (1, 1)}
    assert shown.around(us(20), 4) == [(4, 4)]
    assert Sizes(()).around(us(20), 3) == [(3, 3)]
