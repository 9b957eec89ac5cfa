"""The clock that a replay and a recorder share."""

import threading

import pytest

from afscope.model.clock import SECOND
from afscope.model.pace import ScaledPace, SystemPace

START = 1_800_000_000 * SECOND


def test_a_paused_clock_stands_still_and_steps() -> None:
    pace = ScaledPace(START, paused=True)
    assert pace.now() == pace.now() == START
    pace.step(2.5)
    assert pace.now() == START + 2_500_000
    with pytest.raises(ValueError, match="forward"):
        pace.step(-1)
    pace.jump(START - SECOND)
    assert pace.now() == START - SECOND


def test_speed_changes_do_not_move_the_time() -> None:
    pace = ScaledPace(START, 1000)
    pace.pause()
    at = pace.now()
    pace.resume(0.001)
    assert 0 <= pace.now() - at < SECOND
    assert pace.speed == 0.001
    with pytest.raises(ValueError, match="above 0"):
        pace.resume(0)


def test_a_step_wakes_who_waits_for_that_time_and_nobody_else() -> None:
    pace, stop = ScaledPace(START, paused=True), threading.Event()
    early, late = (threading.Thread(target=pace.wait, args=(stop, s), daemon=True) for s in (5, 50))
    early.start()
    late.start()
    early.join(0.05)
    assert early.is_alive()
    pace.step(10)
    early.join(5)
    assert not early.is_alive()
    assert late.is_alive()
    stop.set()
    late.join(5)
    assert not late.is_alive()


def test_waiting_lasts_as_long_as_the_clock_says() -> None:
    pace, stop = ScaledPace(START, 1000), threading.Event()
    assert pace.wait(stop, 20) is False
    assert pace.now() >= START + 20 * SECOND
    stop.set()
    assert pace.wait(stop, 1e9) is True
    assert SystemPace().wait(stop, 1e9) is True


def test_waiting_for_a_time_that_has_come_meanwhile_is_no_waiting() -> None:
    pace = ScaledPace(START, paused=True)
    due = pace.now() + 5 * SECOND
    pace.step(5)
    assert pace.wait_until(threading.Event(), due) is False
