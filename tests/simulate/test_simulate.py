"""The way in: targets, variants over the same luck, the bill of scale-to-zero, real recordings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from afscope.engine.investigation import Investigation
from afscope.engine.trigger_sql import translate, with_divisor
from afscope.errors import UsageError
from afscope.ingest import import_sources
from afscope.model.clock import SECOND
from afscope.simulate import simulate
from afscope.simulate.bill import Rhythm, cron, cron_trigger, rhythm_of
from afscope.simulate.outcomes import quantile
from tests.engine.incident import TARGET, Incident
from tests.incidents.test_recordings import OURS
from tests.simulate.worlds import group, us


@pytest.fixture(scope="module")
def ceiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Investigation]:
    """A real incident: far too few workers for the work."""
    out = tmp_path_factory.mktemp("captures") / "ceiling.afscope"
    import_sources([OURS / "max_replicas_mariadb"], out)
    opened = Investigation.open(out)
    yield opened
    opened.close()


def test_the_baseline_is_what_was_recorded(ceiling: Investigation) -> None:
    (found,) = simulate(ceiling, draws=3)
    assert found.recorded.replicas[0] == found.baseline.replicas[0] == (ceiling.start, 0)
    assert [size for _, size in found.recorded.replicas] == [size for _, size in found.baseline.replicas][:3]
    assert found.fidelity.trusted
    assert found.draws == 3


def test_more_workers_shorten_the_wait_and_cost_no_more_than_they_run(ceiling: Investigation) -> None:
    (found,) = simulate(ceiling, [{"maxReplicaCount": "2"}, {"maxReplicaCount": "10"}], draws=3)
    few, many = found.variants
    assert few.set == {"maxReplicaCount": "2"}
    assert many.wait_p95_s < few.wait_p95_s / 2
    assert max(size for _, size in many.replicas) > 2
    assert many.finished_at is not None
    assert few.finished_at is not None
    assert many.finished_at < few.finished_at


def test_twice_the_slots_need_half_the_workers(ceiling: Investigation) -> None:
    row = ceiling.targets()[0]
    double = {"worker_concurrency": str(2 * row["worker_concurrency"]), "maxReplicaCount": "50"}
    (found,) = simulate(ceiling, [{"maxReplicaCount": "50"}, double], draws=1)
    plain, wide = (max(size for _, size in variant.replicas) for variant in found.variants)
    assert wide == -(-plain // 2)


def test_a_variant_that_changes_nothing_is_the_baseline(ceiling: Investigation) -> None:
    same = str(ceiling.targets()[0]["max_replica_count"])
    (found,) = simulate(ceiling, [{"maxReplicaCount": same}], draws=3, seed=5)
    assert found.variants[0].wait_total_s == found.baseline.wait_total_s
    assert found.variants[0].ci == found.baseline.ci


def test_intervals_hold_the_mean_and_come_from_several_draws(ceiling: Investigation) -> None:
    (found,) = simulate(ceiling, draws=5)
    low, high = found.baseline.ci["wait_p50_s"]
    assert low <= found.baseline.wait_p50_s <= high
    (alone,) = simulate(ceiling, draws=1)
    assert alone.baseline.ci == {}


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"pool.nowhere": "3"}, "no pool 'nowhere'"),
        ({"minReplicaCount": "99"}, "above maxReplicaCount"),
        ({"idleReplicaCount": "1"}, "not below minReplicaCount"),
        ({"query": "DELETE FROM task_instance"}, "cannot be re-run"),
        ({"nonsense": "3"}, "no setting"),
    ],
)
def test_what_this_capture_cannot_do_is_refused(ceiling: Investigation, variant: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        simulate(ceiling, [variant], draws=1)
    assert said in str(error.value)


def test_a_query_that_counts_forgotten_tasks_gets_them_workers(tmp_path: Path) -> None:
    """The trigger counts queue default, the tasks are in queue gpu: nobody served them, a better query would have."""
    case = Incident(120)
    case.run("r1", 5, 6)
    for number in range(4):
        case.task(f"t{number}", "r1", none=5, scheduled=7, queued=8, queue="gpu")
    opened = case.open(tmp_path)
    query = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE state IN ('queued', 'running')"
    (found,) = simulate(opened, [{"query": query}, {"query": query, "queues": "default"}], draws=1)
    assert (found.recorded.unfinished, found.baseline.unfinished) == (4, 4)
    better, deaf = found.variants
    assert better.unfinished == 0
    assert better.wait_p95_s < 60
    assert deaf.unfinished == 4
    opened.close()


def test_unknown_targets_and_draws_are_refused(ceiling: Investigation) -> None:
    with pytest.raises(UsageError, match="no target 'air/none'"):
        simulate(ceiling, target="air/none")
    with pytest.raises(UsageError, match="draws 0"):
        simulate(ceiling, draws=0)


def cold_starts(tmp_path: Path) -> Investigation:
    """A burst that comes back each ten minutes, with KEDA's cooldown of 30 s in between."""
    case = Incident(1900)
    case.active_from = 12
    for number in range(4):
        begin = 300 + number * 400
        case.run(f"r{number}", begin, begin + 1, begin + 60)
        case.rows[-1].values.update(run_type="scheduled")  # type: ignore[attr-defined]
        case.task("t", f"r{number}", none=begin, scheduled=begin + 1, queued=begin + 2, running=begin + 20,
                  ended=begin + 50, host=f"w{number}")  # fmt: skip
        case.pod(f"w{number}", begin + 5, scheduled=begin + 5, started=begin + 8, ready=begin + 18, stopped=begin + 90)
    return case.open(tmp_path)


def test_the_bill_of_scale_to_zero(tmp_path: Path) -> None:
    (found,) = simulate(cold_starts(tmp_path), target=TARGET, draws=2)
    assert found.bill is not None
    assert found.bill.cold_starts == 4
    assert found.bill.waiting_saved_s > 20
    assert found.bill.idle_pod_hours > 0.1
    assert "4 cold start(s)" in found.bill.because


def test_a_target_that_never_rests_has_no_bill(ceiling: Investigation) -> None:
    (found,) = simulate(ceiling, [{"minReplicaCount": "1"}], draws=1, lang="zh")
    assert found.bill is not None
    assert found.variants[0].wait_total_s <= found.baseline.wait_total_s


HOUR = 3600


def test_regular_runs_have_a_rhythm() -> None:
    runs = [(us(HOUR * n + 120), us(HOUR * n + 420), 8) for n in range(5)]
    assert rhythm_of("etl", runs) == Rhythm("etl", HOUR, 120, 300, 8)
    assert rhythm_of("etl", runs[:2]) is None
    skipped = [runs[0], runs[1], runs[3], runs[4]]
    assert rhythm_of("etl", skipped) == Rhythm("etl", HOUR, 120, 300, 8)


def test_irregular_runs_have_none() -> None:
    runs = [(us(at), us(at + 60), 1) for at in (0, 3600, 5000, 12_000)]
    assert rhythm_of("adhoc", runs) is None


def test_a_rhythm_around_the_turn_of_the_hour_keeps_its_first_second() -> None:
    runs = [(us(HOUR * n + late), us(HOUR * n + 300), 8) for n, late in ((1, -20), (2, 10), (3, -5), (4, 0))]
    found = rhythm_of("etl", runs)
    assert found is not None
    assert found.phase == HOUR - 20


@pytest.mark.parametrize(
    ("second", "period", "expression"),
    [
        (120, 900, "2,17,32,47 * * * *"),
        (-60, 900, "14,29,44,59 * * * *"),
        (1800, HOUR, "30 * * * *"),
        (2 * HOUR + 300, 6 * HOUR, "5 2,8,14,20 * * *"),
        (23 * HOUR, 24 * HOUR, "0 23 * * *"),
        (-120, 24 * HOUR, "58 23 * * *"),
    ],
)
def test_cron_expressions(second: int, period: int, expression: str) -> None:
    assert cron(second, period) == expression


def test_a_cron_trigger_is_ready_to_paste() -> None:
    made = group([])
    text = cron_trigger(Rhythm("etl", HOUR, 600, 300, 9), made)
    (trigger,) = yaml.safe_load("triggers:\n" + text)["triggers"]
    # 600 s less a poll of 5 s, a sync of 15 s and a boot of 10 s: minute 9; over at 900 s: minute 15.
    assert trigger == {
        "type": "cron",
        "metadata": {"timezone": "UTC", "start": "9 * * * *", "end": "15 * * * *", "desiredReplicas": "3"},
    }
    assert cron_trigger(Rhythm("etl", 300, 0, 260, 9), made) == ""


def test_a_divisor_follows_the_slots_and_nothing_else_does() -> None:
    query = "SELECT ceil(COUNT(*)::decimal / 4) FROM task_instance WHERE priority_weight > 4"
    changed = translate(with_divisor(query, "postgresql", 4, 8), "postgresql")
    assert "/ 8" in changed.value
    assert "4" in changed.predicate
    other = "SELECT COUNT(*) FROM task_instance"
    assert with_divisor(other, "postgresql", 4, 8) == other
    assert with_divisor("nonsense(", "postgresql", 4, 8) == "nonsense("
    assert with_divisor("LLEN", "redis", 4, 8) == "LLEN"


def test_quantiles_lie_between_neighbours() -> None:
    assert quantile([], 0.5) == 0.0
    assert quantile([4.0], 0.95) == 4.0
    assert quantile([0.0, 10.0], 0.25) == 2.5


def test_a_capture_without_a_target_says_what_makes_one(tmp_path: Path) -> None:
    case = Incident(60)
    case.missing.add("scaledobjects")
    with pytest.raises(UsageError, match="no scaled worker group"):
        simulate(case.open(tmp_path))


def test_work_that_runs_longer_than_the_capture_is_followed_to_its_end(ceiling: Investigation) -> None:
    (found,) = simulate(ceiling, [{"maxReplicaCount": "1"}], draws=1)
    (slow,) = found.variants
    assert slow.finished_at is not None
    assert slow.finished_at > ceiling.end
    assert slow.wait_total_s > found.recorded.wait_total_s
    assert slow.pod_hours >= (slow.finished_at - ceiling.end) / SECOND / HOUR
