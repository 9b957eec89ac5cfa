"""The discrete-event simulation: both loops on real work, workers that boot, drain and die, limits, dependencies."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afscope.control.hpa import Behavior
from afscope.control.scaledobject import ScaledObject
from afscope.engine.counting import Counted
from afscope.model.clock import SECOND
from afscope.simulate.counts import Counter
from afscope.simulate.looks import Beat
from afscope.simulate.world import NEVER_READY, Caps, InitialPod
from tests.simulate.worlds import END, NAME, group, hpa, job, run, sizes, steady, us, waits, world

VECTORS: dict[str, Any] = {"target": ScaledObject(max_replicas=100), "sync": Beat((us(7),), us(15.05)), "boots": (0,)}


@pytest.mark.parametrize(
    ("behavior", "ramp"),
    [
        (None, [(0, 1), (7, 4), (22, 8), (37, 16), (52, 32), (67, 40)]),
        (Behavior(), [(0, 1), (7, 5), (22, 10), (37, 20), (52, 40)]),
    ],
)
def test_the_ramps_of_vectors_a_and_b(behavior: Behavior | None, ramp: list[tuple[int, int]]) -> None:
    """Forty workers' worth of endless tasks: what the loops do alone, they do inside the simulation."""
    jobs = [job(number, took=9000) for number in range(40)]
    result = run(world(jobs, 300, slots=1, hpa=hpa(100, behavior=behavior), **VECTORS))
    assert [step for step in sizes(result) if step[0] < 300] == ramp


def test_recommendations_from_before_zero_lift_replicas_in_vector_c() -> None:
    """The demand of the vector to the second: tasks that need none of the workers, and that the query counts."""
    jobs = [job(n, took=120, target="", hold=0) for n in range(10)]
    jobs.append(job(99, arrival=240, took=900, target="", hold=0))
    counter = Counter({one.key: Counted(queued=True, running=True) for one in jobs}, [n * 1000 for n in range(12)])
    target = ScaledObject(polling_s=5, cooldown_s=30, max_replicas=10)
    result = run(world(jobs, 450, counter=counter, target=target, sync=Beat((us(7),), us(15.05)), boots=(0,)))
    steps = [step for step in sizes(result) if 140 < step[0] < 450]
    assert steps == [(150, 0), (240, 1), (248, 4), (263, 8), (278, 10), (413, 1)]


def test_a_cold_start_waits_for_poll_boot_and_pickup() -> None:
    result = run(world([job(0, arrival=12)], pickups=(us(2),)))
    assert sizes(result)[0] == (15, 1)
    assert waits(result) == [pytest.approx(3 + 0.15 + 10 + 2)]
    assert result.finished_at == us(12 + 15.15 + 30)
    assert result.activations == {NAME: 1}


def test_delays_that_no_setting_changes_stay() -> None:
    slow = run(world([job(0, delay=us(40))], pods=(InitialPod("w", 0),), replicas=1, last_active=us(590)))
    assert waits(slow) == [pytest.approx(40)]


def test_slots_are_served_in_the_order_of_the_queue() -> None:
    jobs = [job(number, arrival=number, took=100) for number in range(3)]
    result = run(world(jobs, slots=1, hpa=hpa(1), target=ScaledObject(polling_s=5, max_replicas=1)))
    assert waits(result) == [pytest.approx(10.15), pytest.approx(109.15), pytest.approx(208.15)]


def test_a_downstream_task_arrives_when_its_upstream_is_done() -> None:
    jobs = [job(0, took=50), job(1, arrival=50, took=5, after=0, offset=us(3))]
    result = run(world(jobs))
    assert waits(result) == [pytest.approx(0, abs=0.01), pytest.approx(10.15)]
    assert result.finished_at == us(10.15 + 50 + 3 + 5)


@pytest.mark.parametrize(
    "caps",
    [
        Caps({"default_pool": steady(1)}, {}, {}, 1000),
        Caps({}, {"etl": steady(1)}, {}, 1000),
        Caps({}, {}, {}, 1),
    ],
    ids=["pool", "dag", "parallelism"],
)
def test_a_limit_of_one_makes_tasks_follow_each_other(caps: Caps) -> None:
    result = run(world([job(number) for number in range(4)], caps=caps))
    assert waits(result) == [pytest.approx(10.15 + 30 * place) for place in range(4)]
    assert max(size for _, size in sizes(result)) == 1  # what is not queued is no demand


def test_a_pool_counts_slots_and_serves_the_heaviest_first() -> None:
    caps = Caps({"default_pool": steady(2)}, {}, {}, 1000)
    jobs = [job(0, pool_slots=2), job(1, priority=1), job(2, priority=5, pool_slots=2)]
    result = run(world(jobs, caps=caps))
    assert waits(result) == [pytest.approx(10.15), pytest.approx(40.15), pytest.approx(70.15)]


def test_a_run_waits_until_another_of_its_dag_is_done() -> None:
    caps = Caps({}, {}, {"etl": steady(1)}, 1000)
    jobs = [job(0, run="a"), job(1, run="a"), job(2, run="b")]
    assert waits(run(world(jobs, caps=caps))) == [pytest.approx(w) for w in (10.15, 10.15, 40.15)]


def test_a_limit_that_changed_in_the_recording_changes_in_the_simulation() -> None:
    steps = replace(steady(0), since=(0, us(100)), values=(0, 4))
    jobs = [job(0), job(1, arrival=120, pool="other", took=1)]
    result = run(world(jobs, caps=Caps({"default_pool": steps}, {}, {}, 1000)))
    assert result.unfinished == {NAME: 0} or result.finished_at is None


def test_sigterm_that_kills_costs_the_work_and_a_retry_repeats_it() -> None:
    """The trigger counts queued tasks only: the moment they run, the workers are taken away."""
    jobs = [job(number, took=200, retries=1) for number in range(8)]
    queued_only = Counter(
        {one.key: Counted(queued=True, running=False) for one in jobs}, [-(-n // 4) * 1000 for n in range(9)]
    )
    killed = run(world(jobs, counter=queued_only, kills=True))
    drained = run(world(jobs, counter=queued_only, kills=False, grace=us(3600)))
    assert killed.lost_s[NAME] > 100
    assert len(killed.waits[NAME]) > 8  # retries wait as well
    assert drained.lost_s[NAME] == 0.0
    assert len(drained.waits[NAME]) == 8


def test_a_grace_that_is_too_short_kills_at_its_end() -> None:
    jobs = [job(number, took=200) for number in range(4)]
    queued_only = Counter({one.key: Counted(queued=True, running=False) for one in jobs}, [0, 1000, 1000, 1000, 1000])
    result = run(world(jobs, counter=queued_only, grace=us(20)))
    stopped = next(at for at, size in result.steps[NAME] if size == 0)
    # All four started together; each lost what it ran until 20 s after its worker was told to stop.
    assert result.lost_s[NAME] == pytest.approx(4 * (stopped / SECOND + 0.15 + 20 - 10.15), abs=0.1)


def test_workers_that_never_get_ready_serve_nobody() -> None:
    result = run(world([job(0, arrival=10)], boots=(NEVER_READY,)))
    assert result.finished_at is None
    assert result.unfinished == {NAME: 1}
    assert waits(result) == [END - 10]


def test_a_quota_leaves_replicas_without_pods() -> None:
    jobs = [job(number, took=60) for number in range(16)]
    result = run(world(jobs, max_pods=1))
    assert max(size for _, size in sizes(result)) == 4
    assert len({created for created, _ in result.pods[NAME] if created < us(120)}) == 1


def test_pods_of_an_ordered_stateful_set_come_one_after_the_other() -> None:
    jobs = [job(number, took=300) for number in range(12)]
    together = run(world(jobs))
    ordered = run(world(jobs, stateful=True, ordered=True))
    assert max(waits(together)) == pytest.approx(7 + 0.15 + 10)
    assert max(waits(ordered)) == pytest.approx(3 * 10.15)


def test_a_task_of_another_executor_holds_its_places_and_no_slot() -> None:
    jobs = [job(0, target="", took=100, hold=us(5)), job(1)]
    result = run(world(jobs, caps=Caps({"default_pool": steady(1)}, {}, {}, 1000)))
    assert waits(result) == [pytest.approx(105 + 10.15)]
    never = run(world([job(0, target="", hold=None)]))
    assert never.finished_at is None


def test_a_queue_without_a_consumer_is_demand_that_nobody_serves() -> None:
    result = run(world([job(0, queue="gpu")], serves=frozenset({"default"})))
    assert sizes(result)[0] == (0, 1)
    assert result.unfinished == {NAME: 1}


def test_faults_of_the_chain_hold_each_their_own_loop() -> None:
    jobs = [job(number, took=400) for number in range(8)]
    blind = run(world(jobs, poll_faults=((0, us(100)),), metric_faults=((0, us(100)),)))
    assert sizes(blind)[0] == (100, 1)
    stuck = run(world(jobs, metric_faults=((0, us(200)),)))
    assert sizes(stuck)[:2] == [(0, 1), (202, 2)]
    stopped = run(world(jobs, sync_faults=((0, us(200)), (us(150), us(230)))))
    assert sizes(stopped)[:2] == [(0, 1), (232, 2)]


def test_what_somebody_wrote_by_hand_is_written_again() -> None:
    result = run(world([job(0, took=300)], outside=((us(50), 6),)))
    assert (50, 6) in sizes(result)


def test_workers_that_were_there_finish_what_they_had() -> None:
    jobs = [job(0, took=40, waits=False, host="w0"), job(1, arrival=1, took=5)]
    result = run(world(jobs, slots=1, pods=(InitialPod("w0", 0),), replicas=1, hpa=hpa(1),
                       target=ScaledObject(polling_s=5, max_replicas=1)))  # fmt: skip
    assert waits(result) == [pytest.approx(39)]


def test_the_same_seed_is_the_same_luck() -> None:
    jobs = [job(number, arrival=number * 3) for number in range(40)]
    made = world(jobs, boots=(us(5), us(50)), pickups=(0, us(4)), poll_anchor=None, sync=Beat((), us(15)))
    assert run(made, 7) == run(made, 7)
    assert run(made, 7) != run(made, 8)


jobs_of = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 120), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=60)
@given(jobs_of, st.integers(1, 6), st.integers(0, 3), st.integers(1, 4), st.booleans(), st.integers(1, 6))
def test_nothing_is_lost_made_up_or_overbooked(
    works: list[tuple[int, int, int, int]], most: int, least: int, slots: int, kills: bool, pool: int
) -> None:
    """Whatever the settings: sizes stay inside the bounds, every task runs exactly once per try, waits add up."""
    jobs = [job(n, arrival=a, took=d, pool_slots=s, retries=r, run=f"r{n % 3}") for n, (a, d, s, r) in enumerate(works)]
    least = min(least, most)
    target = ScaledObject(polling_s=5, cooldown_s=10, min_replicas=least, max_replicas=most)
    caps = Caps({"default_pool": steady(max(pool, 3))}, {"etl": steady(5)}, {"etl": steady(2)}, 6)
    made = world(jobs, caps=caps, slots=slots, target=target, hpa=hpa(most, max(1, least)), kills=kills)
    result = run(made)
    assert all(0 <= size <= max(most, 1) for _, size in result.steps[NAME])
    assert result.finished_at is not None
    assert result.unfinished == {NAME: 0}
    assert len(result.waits[NAME]) >= len(jobs)
    assert all(wait >= 0 for wait in result.waits[NAME])
    if not kills and result.lost_s[NAME] == 0:
        assert len(result.waits[NAME]) == len(jobs)
        assert result.finished_at >= max(us(a + d) for a, d, _, _ in works)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(10, 100), st.integers(1, 5))
def test_more_workers_never_make_a_burst_wait_longer(count: int, took: int, most: int) -> None:
    jobs = [job(number, took=took) for number in range(count)]

    def total(replicas: int) -> float:
        target = ScaledObject(polling_s=5, cooldown_s=30, max_replicas=replicas)
        return sum(run(world(jobs, target=target, hpa=hpa(replicas))).waits[NAME])

    assert total(most + 1) <= total(most) + 0.001


def test_slots_are_never_overbooked() -> None:
    jobs = [job(number, took=50, arrival=number % 7) for number in range(50)]
    result = run(world(jobs, hpa=hpa(3), target=ScaledObject(polling_s=5, max_replicas=3)))
    starts = sorted(w + j.arrival / SECOND for w, j in zip(result.waits[NAME], jobs, strict=True))
    assert all(late - early >= 50 - 7 for early, late in zip(starts, starts[12 + 7 :], strict=False))


def test_a_group_knows_nothing_of_jobs_that_its_query_does_not_count() -> None:
    jobs = [job(0)]
    uncounted = replace(group(jobs).counter, flags={})
    assert sizes(run(world(jobs, counter=uncounted))) == []
