"""Logs of pods out of the log files of a recording: each line appears when the clock passes its own time."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from afscope.model.clock import SECOND, Micros, parse_time, rfc3339
from afscope.model.pace import ScaledPace
from afscope.model.row import DELETED
from afscope.normalize.logs.envelope import open_line
from afscope.replay.kube.exchange import Answer, Request, Stream
from afscope.replay.kube.files import lines
from afscope.replay.kube.history import History
from afscope.replay.kube.log import Log, Version
from afscope.replay.kube.restamp import restamped
from afscope.replay.kube.status import ApiError, bad_request
from afscope.replay.kube.watch import Frame

_TEXT = "text/plain"
_FOREVER: Micros = 3600 * SECOND


class _Text(NamedTuple):
    """A log: its lines, and when each was written; both in the order of the file, times ascending."""

    times: list[Micros]
    lines: list[bytes]


class _Container(msgspec.Struct):
    name: str = ""


class _Spec(msgspec.Struct):
    containers: list[_Container] = msgspec.field(default_factory=list)
    initContainers: list[_Container] = msgspec.field(default_factory=list)  # noqa: N815  (the API's own word)


class _Pod(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


_POD = msgspec.json.Decoder(_Pod)


class PodLogs:
    """The logs of a recording; None for the folder stands for a source that has no raw logs."""

    def __init__(self, folder: Path | None, history: History, pace: ScaledPace) -> None:
        self._folder, self._history, self._pace = folder, history, pace
        self._lock = Lock()
        self._read: dict[Path, _Text] = {}

    def answer(self, request: Request, pods: Log, pod: Version) -> Answer | Stream:
        """The log of a pod. Raises ApiError 400 or 404, in the words of the API server where it has some."""
        self._check_container(request, pod)
        text = self._text(pod.key[1])
        start = self._start(request, text)
        if request.flag("follow"):
            over = threading.Event()
            frames = self._followed(text, start, over, self._ends(pods, pod), timestamps=request.flag("timestamps"))
            return Stream(frames, over.set, _TEXT)
        shown = _joined(text, start, bisect_right(text.times, self._pace.now()), timestamps=request.flag("timestamps"))
        return Answer(shown[: request.number("limitBytes")], content_type=_TEXT)

    def _check_container(self, request: Request, pod: Version) -> None:
        """A recording has one log per pod, that of its first container."""
        name, spec = pod.key[1], _POD.decode(pod.body).spec
        known = [container.name for container in (*spec.containers, *spec.initContainers)]
        asked = request.query.get("container", "")
        if asked and asked not in known:
            raise bad_request(f"container {asked} is not valid for pod {name}")
        if not asked and len(spec.containers) > 1:
            choice = " ".join(container.name for container in spec.containers)
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{choice}]")
        if request.flag("previous"):
            raise bad_request(f'previous terminated container "{asked or known[0]}" in pod "{name}" not found')
        if asked and asked != known[0]:
            raise _not_recorded(f'the log of container "{asked}" in pod "{name}" was not recorded')

    def _text(self, pod: str) -> _Text:
        if self._folder is None:
            raise _not_recorded("captures hold no raw logs: only the lines whose meaning is known, in log_lines")
        path = self._path(self._folder, pod)
        if path is None:
            raise _not_recorded(f'the log of pod "{pod}" was not recorded')
        with self._lock:
            if path not in self._read:
                self._read[path] = self._lines(path)
            return self._read[path]

    def _path(self, folder: Path, pod: str) -> Path | None:
        """The pod's own file, or that of a component whose pods are named after it."""
        for suffix in (".log", ".log.gz"):
            if (own := folder / f"pod.{pod}{suffix}").is_file():
                return own
        for path in sorted(folder.glob("*.log*")):
            component = path.name.split(".")[0]
            if component not in ("pod", "task") and pod.startswith(f"{component}-"):
                return path
        return None

    def _lines(self, path: Path) -> _Text:
        """A line without a time of its own comes with the line before it."""
        shift = self._history.shift
        text, at = _Text([], []), 0
        for line in lines(path, []):
            own = open_line(line.decode(errors="replace").rstrip("\r\n"), self._history.begins - shift).ts
            if own is not None:
                line = restamped(line, own, shift)
                at = max(at, own + shift)
            text.times.append(at)
            text.lines.append(line if line.endswith(b"\n") else line + b"\n")
        return text

    def _start(self, request: Request, text: _Text) -> int:
        now = self._pace.now()
        since = 0
        if (seconds := request.number("sinceSeconds")) is not None:
            since = now - seconds * SECOND
        elif request.query.get("sinceTime"):
            try:
                since = parse_time(request.query["sinceTime"])
            except ValueError as error:
                raise bad_request(str(error)) from error
        start = bisect_left(text.times, since) if since else 0
        tail = request.number("tailLines")
        return start if tail is None else max(start, bisect_right(text.times, now) - tail)

    def _ends(self, pods: Log, pod: Version) -> Micros | None:
        """When the pod is deleted, which ends a log that is followed."""
        return next((v.at for v in pods.versions if v.uid == pod.uid and v.change == DELETED), None)

    def _followed(
        self, text: _Text, start: int, over: threading.Event, ends: Micros | None, *, timestamps: bool
    ) -> Iterator[Sequence[Frame]]:
        while not over.is_set():
            now = self._pace.now()
            stop = bisect_right(text.times, now)
            if stop > start:
                yield [Frame(_joined(text, start, stop, timestamps=timestamps), 0)]
                start = stop
            if ends is not None and now >= ends:
                return
            due = [at for at in (text.times[start] if start < len(text.times) else None, ends) if at is not None]
            self._pace.wait_until(over, min(due, default=now + _FOREVER))


def _joined(text: _Text, start: int, stop: int, *, timestamps: bool) -> bytes:
    if not timestamps:
        return b"".join(text.lines[start:stop])
    pairs = zip(text.times[start:stop], text.lines[start:stop], strict=True)
    return b"".join(rfc3339(at).replace("Z", "000Z ").encode() + line for at, line in pairs)


def _not_recorded(message: str) -> ApiError:
    return ApiError(404, "NotFound", message)
