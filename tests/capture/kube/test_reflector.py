"""List and watch as a state machine: what is emitted, and what is known after each answer of a server."""

import json
from typing import Any

import pytest

from afscope.capture.kube.errors import ApiError, api_error
from afscope.capture.kube.reflector import Malformed, Reflector, is_gone


def obj(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "air", "uid": f"u-{name}", "resourceVersion": str(version)}, **more}


def page(*objects: dict[str, Any], version: int = 0, token: str = "") -> bytes:
    return json.dumps({"metadata": {"resourceVersion": str(version), "continue": token}, "items": objects}).encode()


def frame(change: str, body: dict[str, Any]) -> bytes:
    return json.dumps({"type": change, "object": body}).encode()


class Seen:
    """A reflector and what it emitted, as (change, name, version)."""

    def __init__(self, kind: str = "Pod") -> None:
        self.all: list[tuple[str, str, str]] = []
        self.reflector = Reflector(kind, self._emit)

    def _emit(self, change: str, raw: bytes) -> None:
        meta = json.loads(raw)["metadata"]
        self.all.append((change, meta["name"], meta.get("resourceVersion", "")))

    def new(self) -> list[tuple[str, str, str]]:
        found, self.all = self.all, []
        return found


def test_a_first_list_is_state_and_the_watch_goes_on_from_it() -> None:
    seen = Seen()
    seen.reflector.listed([page(obj("a", 3), version=9, token="t"), page(obj("b", 5), version=9)])
    assert seen.new() == [("STATE", "a", "3"), ("STATE", "b", "5")]
    assert seen.reflector.version == "9"
    seen.reflector.framed(frame("MODIFIED", obj("a", 10)))
    seen.reflector.framed(frame("ADDED", obj("c", 11)))
    seen.reflector.framed(frame("DELETED", obj("b", 12)))
    assert seen.new() == [("MODIFIED", "a", "10"), ("ADDED", "c", "11"), ("DELETED", "b", "12")]
    assert seen.reflector.version == "12"


def test_bookmarks_only_move_the_version() -> None:
    seen = Seen()
    seen.reflector.listed([page(version=5)])
    seen.reflector.framed(frame("BOOKMARK", {"metadata": {"resourceVersion": "40"}}))
    assert seen.new() == []
    assert seen.reflector.version == "40"


def test_what_is_known_already_is_not_emitted_again() -> None:
    seen = Seen()
    seen.reflector.listed([page(obj("a", 3), version=9)])
    seen.new()
    for change, body in (("ADDED", obj("a", 3)), ("MODIFIED", obj("a", 10)), ("MODIFIED", obj("a", 10)),
                         ("DELETED", obj("z", 11)), ("DELETED", obj("a", 12)), ("DELETED", obj("a", 12))):  # fmt: skip
        seen.reflector.framed(frame(change, body))
    assert seen.new() == [("MODIFIED", "a", "10"), ("DELETED", "a", "12")]


def test_a_list_after_a_loss_is_a_difference() -> None:
    seen = Seen()
    seen.reflector.listed([page(obj("same", 1), obj("moved", 2), obj("gone", 3), version=9)])
    seen.new()
    seen.reflector.lost()
    assert seen.reflector.version == ""
    result = seen.reflector.listed([page(obj("same", 1), obj("moved", 20), obj("new", 21), version=30)])
    assert seen.new() == [("DELETED", "gone", "3"), ("MODIFIED", "moved", "20"), ("ADDED", "new", "21")]
    assert (result.changed, result.gone) == (2, 1)
    assert seen.reflector.version == "30"


def test_events_that_a_list_lacks_have_only_expired() -> None:
    seen = Seen("Event")
    seen.reflector.listed([page(obj("e1", 1), version=9)])
    seen.reflector.lost()
    seen.new()
    seen.reflector.listed([page(obj("e2", 12), version=30)])
    assert seen.new() == [("ADDED", "e2", "12")]


def test_a_list_that_breaks_off_says_nothing_twice_and_nothing_half() -> None:
    """The first one goes on where it was; a later one counts only when it is complete."""

    def breaking(*first: bytes) -> Any:
        yield from first
        raise api_error(410, b'{"kind":"Status","code":410,"reason":"Expired","message":"continue token expired"}')

    seen = Seen()
    with pytest.raises(ApiError):
        seen.reflector.listed(breaking(page(obj("a", 1), obj("b", 2), version=9, token="t")))
    assert [name for _, name, _ in seen.new()] == ["a", "b"]
    seen.reflector.listed([page(obj("a", 1), obj("b", 12), obj("c", 3), version=19)])
    assert seen.new() == [("MODIFIED", "b", "12"), ("STATE", "c", "3")]
    seen.reflector.lost()
    with pytest.raises(ApiError):
        seen.reflector.listed(breaking(page(obj("c", 33), version=39, token="t")))
    assert seen.new() == []
    seen.reflector.listed([page(obj("c", 43), version=49)])
    assert seen.new() == [("DELETED", "a", "1"), ("DELETED", "b", "12"), ("MODIFIED", "c", "43")]


def test_an_error_frame_is_the_servers_own_word() -> None:
    seen = Seen()
    seen.reflector.listed([page(version=9)])
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 9 (90)"}
    with pytest.raises(ApiError, match="too old") as caught:
        seen.reflector.framed(frame("ERROR", gone))
    assert is_gone(caught.value)
    with pytest.raises(ApiError) as caught:
        seen.reflector.framed(frame("ERROR", {"kind": "Status", "code": 500, "message": "etcd leader changed"}))
    assert not is_gone(caught.value)
    assert caught.value.status == 500


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"type":"ADDED"}', b"<html>busy</html>", b'{"type":1,"object":{}}'])
def test_what_is_no_frame_is_said_and_changes_nothing(line: bytes) -> None:
    seen = Seen()
    seen.reflector.listed([page(obj("a", 3), version=9)])
    seen.new()
    with pytest.raises(Malformed):
        seen.reflector.framed(line)
    assert seen.new() == []
    assert seen.reflector.version == "9"


def test_an_answer_that_is_no_list_is_said() -> None:
    with pytest.raises(Malformed, match="not a list"):
        Seen().reflector.listed([b"<html>login</html>"])


def test_null_items_and_objects_without_uid() -> None:
    seen = Seen()
    seen.reflector.listed([json.dumps({"metadata": {"resourceVersion": "1"}, "items": None}).encode()])
    assert seen.new() == []
    bare = {"metadata": {"name": "x", "namespace": "air", "resourceVersion": "2"}}
    seen.reflector.framed(frame("ADDED", bare))
    seen.reflector.framed(frame("ADDED", bare))
    assert seen.new() == [("ADDED", "x", "2")]
