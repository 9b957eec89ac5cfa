"""How often an event happened within the recording, whatever lists and lost watches say."""

from typing import Any

import msgspec
import pytest

from afscope.model.clock import SECOND, Micros, parse_time
from afscope.normalize.kube import KubeNormalizer
from afscope.normalize.redact import Redactor

START = parse_time("2026-11-22T20:00:00Z")


class Recorder:
    """Observes events one after the other, as a recording does."""

    def __init__(self) -> None:
        self._kube = KubeNormalizer(Redactor())
        self.see("STATE", "first", "19:00:00")

    def see(self, change: str, uid: str, last: str, count: int | None = None, *, first: str | None = None,
            at: Micros = 0) -> tuple[str, int] | None:  # fmt: skip
        """(change, count_delta) of the row of one observation, None when there is none."""
        day = "2026-11-22T"
        obj: dict[str, Any] = {
            "kind": "Event", "metadata": {"name": uid, "uid": uid}, "count": count,
            "lastTimestamp": f"{day}{last}Z", "firstTimestamp": f"{day}{first or last}Z",
        }  # fmt: skip
        seen_at = max(START, at or parse_time(f"{day}{last}Z") + SECOND // 2)
        rows = [row for row in self._kube.observe(change, msgspec.json.encode(obj), seen_at) if row.table == "events"]
        return (rows[0].values["change"], rows[0].values["count_delta"]) if rows else None


def test_what_is_listed_at_the_start_happened_before() -> None:
    assert Recorder().see("STATE", "a", "19:59:00", 40) == ("STATE", 0)


def test_a_watch_that_begins_with_a_list_does_not_make_it_happen_again() -> None:
    assert Recorder().see("ADDED", "a", "19:30:00", 40) == ("STATE", 0)


def test_an_event_that_began_before_the_recording_counts_once() -> None:
    assert Recorder().see("ADDED", "a", "20:01:00", 40, first="19:00:00") == ("ADDED", 1)


def test_a_new_event_counts_what_it_says() -> None:
    assert Recorder().see("ADDED", "a", "20:01:00", 3, first="20:00:50") == ("ADDED", 3)


def test_a_list_after_a_lost_watch_brings_what_was_missed() -> None:
    recorder = Recorder()
    recorder.see("ADDED", "a", "20:01:00", 2, first="20:01:00")
    assert recorder.see("STATE", "a", "20:03:00", 5, first="20:01:00") == ("MODIFIED", 3)
    assert recorder.see("STATE", "b", "20:02:30", 4, first="20:02:00") == ("ADDED", 4)


def test_a_list_after_a_lost_watch_does_not_repeat_what_is_known() -> None:
    recorder = Recorder()
    recorder.see("ADDED", "a", "20:01:00", 2)
    assert recorder.see("STATE", "a", "20:01:00", 2) is None


def test_a_count_that_starts_again_takes_nothing_back() -> None:
    recorder = Recorder()
    recorder.see("ADDED", "a", "20:01:00", 9)
    assert recorder.see("MODIFIED", "a", "20:02:00", 1) == ("MODIFIED", 0)
    assert recorder.see("MODIFIED", "a", "20:03:00", 2) == ("MODIFIED", 1)


def test_expiry_is_nothing_that_happened() -> None:
    recorder = Recorder()
    recorder.see("ADDED", "a", "20:01:00", 1)
    assert recorder.see("DELETED", "a", "20:01:00", 1, at=START + 3600 * SECOND) is None


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        ({"series": {"count": 2, "lastObservedTime": "2026-11-22T20:00:09Z"}, "eventTime": "2026-11-22T20:00:01Z"}, 9),
        ({"lastTimestamp": "2026-11-22T20:00:05Z", "eventTime": None}, 5),
        ({"lastTimestamp": None, "eventTime": "2026-11-22T20:00:04.000000Z", "firstTimestamp": None}, 4),
        ({"firstTimestamp": "2026-11-22T20:00:03Z"}, 3),
        ({}, 2),
        ({"series": None, "eventTime": "not a time"}, 2),
    ],
)
def test_the_time_of_an_event(fields: dict[str, Any], time: int) -> None:
    obj = {"kind": "Event", "metadata": {"uid": "u", "creationTimestamp": "2026-11-22T20:00:02Z"}, **fields}
    row, whole = KubeNormalizer(Redactor()).observe("ADDED", msgspec.json.encode(obj), START + 20 * SECOND)
    assert row.values["ts"] == whole.values["ts"] == START + time * SECOND
