"""Following the log of one container, across broken connections and restarts, each line once."""

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from afscope.capture.backoff import Backoff
from afscope.capture.kube.connection import Cluster, Stream
from afscope.capture.kube.errors import ApiError, Unreachable
from afscope.capture.tape import Tape
from afscope.errors import CannotConnect
from afscope.normalize.logs import MAX_LINE, LogNormalizer

# What the kubelet puts before each line for timestamps=true; nine digits, trailing zeros left out.
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_CONTEXT_S = 60
_LAST_WORDS = 500
_MAX_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Container:
    """Whose log is followed."""

    namespace: str
    pod: str
    uid: str
    container: str
    component: str
    restarts: int = 0


class Tail:
    """Follows one container until it is gone for good or `stop` is set."""

    def __init__(self, cluster: Cluster, tape: Tape, container: Container, *, raw: bool, idle_s: float = 60.0) -> None:
        """`raw` keeps lines without a known pattern, too.

        After `idle_s` of silence the connection is made anew: that ends a dead one, and the last line before the
        silence is written, which may have had a continuation.
        """
        self._cluster, self._tape, self._of = cluster, tape, container
        self._raw, self._idle_s = raw, idle_s
        self._last = b""
        self._with_last = 0
        self.refused: ApiError | None = None
        """The refusal (403) that ended it."""
        self._gone = threading.Event()
        self._stream: Stream | None = None

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self._of.namespace

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._of.namespace}/pods/{self._of.pod}/log"

    def run(self, stop: threading.Event) -> None:
        """Reads; returns when the container is gone, the server refuses for good, or `stop` is set."""
        backoff = Backoff(first=1.0)
        if self._of.restarts:
            self._last_words()
        failures = 0
        while not stop.is_set() and not self._gone.is_set() and failures < _MAX_REFUSALS:
            try:
                if self._follow():
                    backoff.reset()
                    failures = 0
            except ApiError as error:
                if error.status in (403, 404):
                    self.refused = error if error.status == 403 else None
                    return
                failures += 1  # "waiting to start", or a kubelet that cannot be reached
            except CannotConnect:
                failures += 1
            if stop.wait(backoff.next()):
                return

    def end(self) -> None:
        """Ends it soon, from any thread: what was read is written."""
        self._gone.set()
        if self._stream is not None:
            self._stream.stop()

    def _last_words(self) -> None:
        """What the container said before its last restart, which nobody followed."""
        query = {"container": self._of.container, "previous": "true", "timestamps": "true", "tailLines": _LAST_WORDS}
        try:
            self._write(self._cluster.get(self._path, query).splitlines())
        except CannotConnect:
            return  # the kubelet keeps one former log at best

    def _follow(self) -> bool:
        """One connection; whether it brought anything new, or lasted until it broke off. Raises when there was none."""
        query: dict[str, object] = {"container": self._of.container, "follow": "true", "timestamps": "true"}
        if self._last:
            query["sinceTime"] = self._last.split(b".")[0].decode() + "Z"
        else:
            query["sinceSeconds"] = _CONTEXT_S
        before = self._last, self._with_last
        broken: list[Unreachable] = []
        with self._cluster.stream(self._path, query, idle_s=self._idle_s) as stream:
            self._stream = stream
            if not self._gone.is_set():
                self._write(_cut_lines(_until_broken(stream, broken)))
        return bool(broken) or (self._last, self._with_last) != before

    def _write(self, lines: Iterable[bytes]) -> None:
        """A known line is written when the one after it comes: it may have a continuation."""
        normalizer = LogNormalizer(self._tape.redactor, self._tape.pace.now(), keep_unknown=self._raw)
        of = self._of
        rows = normalizer.lines(
            self._new(lines),
            component=of.component,
            pod=of.pod,
            container=of.container,
            source=f"{of.namespace}/{of.pod}",
        )
        for row in rows:
            self._tape.put((row._replace(values={**row.values, "seen_at": self._tape.pace.now()}),))

    def _new(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Lines that were not read before, in the form of CRI, whose time counts where a line has none of its own.

        A connection begins in the second of the last line: what is older was read, and of the lines with its very
        time as many as were read.
        """
        since, known = self._last, self._with_last
        for line in lines:
            stamp = _STAMP.match(line)
            if stamp is None:
                continue  # no line of a log: a kubelet's own complaint
            at = stamp[1] + b"." + (stamp[2] or b"").ljust(9, b"0")
            if at < since:
                continue
            if at == since and known:
                known -= 1
                continue
            if at > self._last:
                self._last, self._with_last = at, 0
            self._with_last += at == self._last
            yield line[: stamp.end() - 1] + b" stdout F " + line[stamp.end() :]


def _until_broken(stream: Iterable[bytes], broken: list[Unreachable]) -> Iterator[bytes]:
    """The chunks of a stream; how it broke off, if it did, is told in the list: lines before that are still written."""
    try:
        yield from stream
    except Unreachable as error:
        broken.append(error)


def _cut_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a stream; of a longer line than anybody diagnoses with only the beginning is ever held."""
    held = bytearray()
    dropping = False
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            if not dropping:
                yield bytes(held) + part[:MAX_LINE]
            held.clear()
            dropping = False
        if not dropping:
            held += rest[:MAX_LINE]
            if len(held) >= MAX_LINE:
                yield bytes(held)
                held.clear()
                dropping = True
