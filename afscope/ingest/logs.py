"""Logs of containers and tasks, one file each. They are known by their envelopes, not by their names."""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from afscope.ingest.lines import texts
from afscope.ingest.sink import Findings, Stream, Timed
from afscope.model.clock import SECOND, Micros
from afscope.normalize.logs import MAX_LINE, LogNormalizer, component_of, is_log

_LOOKED_AT = 50
# /var/log/containers/<pod>_<namespace>_<container>-<id>.log, /var/log/pods/<namespace>_<pod>_<uid>/<container>/0.log
_CONTAINERS = re.compile(r"(?P<pod>[^_]+)_[^_]+_(?P<container>.+)-[0-9a-f]{64}\.log(?:\.gz)?")
_PODS = re.compile(r"[^_]+_(?P<pod>[^_]+)_[0-9a-f-]{32,36}")
# Names of pods that a ReplicaSet, a Deployment or a StatefulSet makes.
_POD = re.compile(r"[a-z0-9][a-z0-9.-]*-(?:[a-z0-9]{5}|\d{1,4})")
_PARTIAL = re.compile(rb"(?P<head>\S+ (?:stdout|stderr) )(?P<tag>[FP])(?::\S+)? (?P<rest>.*)", re.S)


class Place(NamedTuple):
    """Whose log a file is."""

    component: str
    pod: str | None
    container: str | None


class _Docker(msgspec.Struct):
    log: str
    stream: str
    time: str = ""


_DOCKER = msgspec.json.Decoder(_Docker)


def place_of(path: Path) -> Place:
    """Whose log a file is, by its name and the folders that kubelets, must-gather, bundles and dumps put it into."""
    up = [*path.parent.parts[::-1], "", "", "", ""]
    stem = re.sub(r"(?:\.log|\.txt)?(?:\.gz)?$", "", path.name)
    if match := _CONTAINERS.fullmatch(path.name):
        return _place(match["pod"], match["container"])
    if match := _PODS.fullmatch(up[1]):
        return _place(match["pod"], up[0])
    if up[0] == "logs" and _POD.fullmatch(up[3]):  # must-gather: pods/<pod>/<container>/<container>/logs/current.log
        return _place(up[3], up[1])
    if stem == "logs" and _POD.fullmatch(up[0]):  # cluster-info dump: <namespace>/<pod>/logs.txt
        return _place(up[0], None)
    if _POD.fullmatch(up[0]) and not path.name.startswith(("pod.", "task.")):
        return _place(up[0], stem.removesuffix("-previous"))
    component, pod = component_of(path.name)
    if pod is None and component != "task" and stem != component and _POD.fullmatch(stem):
        return _place(stem, None)
    return Place(component, pod, None)


def _place(pod: str, container: str | None) -> Place:
    component, _ = component_of(f"pod.{pod}.log")
    if component == "pod" and container:
        component = component_of(f"pod.{container}.log")[0]
    return Place(component, pod, container)


def whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that a container runtime cut (CRI at 16 KiB with tag P, Docker without a newline) put together again.

    The whole line takes the place of its last part and blank ones that of the others, so that line numbers stay.
    """
    held = b""
    for line in lines:
        part = _part(line)
        if part is None:
            yield line
            continue
        head, text, over = part
        if over:
            yield head + (held + text)[:MAX_LINE] if held else line
            held = b""
        else:
            held = (held + text)[:MAX_LINE]
            yield b""


def _part(line: bytes) -> tuple[bytes, bytes, bool] | None:
    """(envelope, text, whether the line ends here) of a line of a container runtime; None for others."""
    if line[:4].isdigit() and (match := _PARTIAL.match(line)):
        return match["head"] + b"F ", match["rest"], match["tag"] == b"F"
    if line.startswith(b'{"log":'):
        try:
            read = _DOCKER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return (
            b"%s %s F " % (read.time.encode(), read.stream.encode()),
            read.log.rstrip("\n").encode(),
            read.log.endswith("\n"),
        )
    return None


def sniff(path: Path) -> bool:
    """Whether one of the first lines is in the form of a log that afscope reads."""
    return is_log(itertools.islice(texts(path, lambda _: None, MAX_LINE), _LOOKED_AT))


def stream(path: Path, begins: Micros | None, found: Findings) -> Stream:
    """The known lines of one file. `begins` is when the recording did, None when there are only logs.

    Lines may be older than the recording: they keep their time, but the recorder saw them when it began. Without a
    recording the file's own date tells the year that klog does not write.
    """
    place = place_of(path)
    day = begins if begins is not None else int(path.stat().st_mtime) * SECOND
    lines = whole(texts(path, found.note, MAX_LINE))
    for row in LogNormalizer(found.redactor, day).lines(
        lines, component=place.component, pod=place.pod, container=place.container, source=path.name
    ):
        seen_at = max(row.values["ts"], begins or 0)
        yield Timed(seen_at, row._replace(values={**row.values, "seen_at": seen_at}))
