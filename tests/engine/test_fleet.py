"""Many captures at once: each on its own, none takes the others with it."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from afscope.cli.samples import sample
from afscope.engine import fleet
from afscope.engine.investigation import Investigation
from afscope.errors import CannotConnect, UsageError
from afscope.model.fleet import Assessed, Question, common_causes
from afscope.store.fetch import fetch, shown


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped captures."""
    folder = tmp_path_factory.mktemp("fleet")
    for name in ("max-replicas-ceiling", "healthy"):
        shutil.copy(str(sample(name).file), folder / f"{name}.afscope.zip")
    return folder


@pytest.fixture
def site(shipped: Path) -> Iterator[str]:
    """The folder as a web site; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(shipped))

        def log_message(self, *args: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def in_threads(places: list[str]) -> list[Assessed]:
    with ThreadPoolExecutor(1) as pool:
        return [answer for _, answer in sorted(fleet.survey_there(places, Question(), pool), key=lambda told: told[0])]


def test_each_capture_says_what_it_says_alone(shipped: Path) -> None:
    path = shipped / "max-replicas-ceiling.afscope.zip"
    (told,) = in_threads([str(path)])
    alone = Investigation.open(path)
    assert told == Assessed(str(path), alone.analysis)
    alone.close()


def test_what_is_no_capture_costs_only_itself(shipped: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.afscope.zip"
    broken.write_bytes(b"PK no zip")
    good = str(shipped / "healthy.afscope.zip")
    answers = in_threads([str(broken), str(tmp_path / "none.afscope"), good])
    assert [bool(answer.analysis) for answer in answers] == [False, False, True]
    assert all(answer.place in answer.error for answer in answers[:2])


def test_a_capture_at_a_url_is_the_same_capture(site: str, shipped: Path) -> None:
    from_web, from_disk, from_store = in_threads(
        [
            f"{site}/healthy.afscope.zip?token=s3cret",
            str(shipped / "healthy.afscope.zip"),
            f"file://{shipped}/healthy.afscope.zip",
        ]
    )
    assert from_web.analysis == from_disk.analysis == from_store.analysis
    assert from_disk.analysis is not None
    assert from_web.place == f"{site}/healthy.afscope.zip"  # the token is nobody's business


@pytest.mark.parametrize(
    ("path", "said"), [("/none.afscope.zip", "404"), ("/", "no capture's URL")], ids=["missing", "no file"]
)
def test_a_url_that_gives_nothing_says_so(site: str, path: str, said: str) -> None:
    (told,) = in_threads([site + path])
    assert told.analysis is None
    assert said in told.error


def test_secrets_of_a_url_are_never_shown(tmp_path: Path) -> None:
    url = "https://me:pw@127.0.0.1:1/a.afscope.zip?X-Amz-Signature=abc#f"
    assert shown(url) == "https://127.0.0.1:1/a.afscope.zip"
    with pytest.raises(CannotConnect) as refused:
        fetch(url, tmp_path)
    assert not any(secret in str(refused.value) for secret in ("pw", "abc"))
    with pytest.raises(UsageError):
        fetch("ftp://host/a.afscope.zip", tmp_path)


def test_a_worker_that_is_killed_costs_only_its_capture(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool breaks with one of its processes; the others are asked again."""
    monkeypatch.setattr(fleet, "assess", assess_or_die)
    places = [str(shipped / "healthy.afscope.zip"), "deadly", str(shipped / "max-replicas-ceiling.afscope.zip")]
    answers = dict(fleet.survey_here(places, Question(), 2))
    assert [bool(answers[index].analysis) for index in range(3)] == [True, False, True]
    assert "ended" in answers[1].error


def assess_or_die(place: str, question: Question) -> Assessed:
    """`assess`, in a process that the kernel kills for one of the captures."""
    if place == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return fleet.assess(place, question)


def test_who_stops_listening_stops_the_rest(shipped: Path) -> None:
    submitted: list[Future[Assessed]] = []

    class Noted(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            submitted.append(super().submit(*args, **kwargs))
            return submitted[-1]

    with (
        Noted(1) as pool,
        contextlib.closing(fleet.survey([str(shipped / "healthy.afscope.zip")] * 9, Question(), pool)) as told,
    ):
        next(told)
    assert sum(future.cancelled() for future in submitted) >= 7


def test_common_causes_come_back_most_often_first(shipped: Path) -> None:
    ceiling = str(shipped / "max-replicas-ceiling.afscope.zip")
    one, two, calm = in_threads([ceiling, ceiling, str(shipped / "healthy.afscope.zip")])
    alone, both = common_causes([one, calm]), common_causes([one, two, calm])
    assert [cause.cause for cause in both] == ["max_replicas_ceiling"]
    assert both[0].waiting_task_seconds == pytest.approx(2 * alone[0].waiting_task_seconds)
    assert both[0].targets == alone[0].targets
