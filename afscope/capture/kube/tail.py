"""Following the log of one container, across broken connections and restarts, each line once.

A followed log that is silent may be half open: nothing tells it from one that has nothing to say. So silence is ended
by asking for what there is since the last line, an answer that has an end and so is known to be whole; and when the
recording ends, the log is asked once more. What cannot be proved to be in the record then is a gap.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from afscope.capture.backoff import Backoff
from afscope.capture.kube.connection import Cluster, Stream
from afscope.capture.kube.errors import ApiError, Unreachable
from afscope.capture.tape import Tape
from afscope.errors import CannotConnect
from afscope.model.clock import Micros, parse_time
from afscope.normalize.logs import MAX_LINE, LogNormalizer
from afscope.store.proven import FRESH

# What the kubelet puts before each line for timestamps=true; nine digits, trailing zeros left out.
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_TABLES = ("log_lines",)
_FORBIDDEN, _NOT_FOUND = 403, 404
_CONTEXT_S = 60
_LAST_WORDS = 500
_MAX_REFUSALS = 20
# For the last question, in real seconds: nobody likes to wait for the end of a recording.
_LAST_S = 2.0


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
        self._whole_to: Micros | None = None
        self._read_at: Micros = 0
        self._written: tuple[bytes, Micros] = b"", 0
        self._over = False
        self._why = "the log was silent at the end"
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

    @property
    def part(self) -> str:
        """What it is called where it speaks for itself."""
        return f"log of {self._of.namespace}/{self._of.pod}"

    @property
    def proven(self) -> Micros | None:
        """Up to when every line is in the record; None before the log was read at all, as there may be none.

        Lines come in the order of their times, so one that is written proves those before it; the last one is not yet.
        """
        if self._whole_to is None:
            return None
        stamp, read_at = self._written
        return max(self._whole_to, min(_micros(stamp), read_at))

    def run(self, stop: threading.Event) -> None:
        """Reads; returns when the container is gone, the server refuses for good, or `stop` is set."""
        self._tape.vouch(_TABLES, self.part, lambda: self.proven)
        if self._of.restarts:
            self._last_words()
        self._read(stop)
        if self.refused is None:  # else it is unheard from now on
            self._finish(stopped=stop.is_set())

    def _read(self, stop: threading.Event) -> None:
        backoff, failures = Backoff(first=1.0), 0
        # One that was read is gone only when it is deleted; of others there may be no log at all.
        while not stop.is_set() and not self._gone.is_set() and (self._whole_to or failures < _MAX_REFUSALS):
            try:
                self._ask()
                if self._follow():
                    backoff.reset()
                    failures = 0
            except ApiError as error:
                self._why = str(error.what)
                if error.status in (_FORBIDDEN, _NOT_FOUND):
                    self.refused = error if error.status == _FORBIDDEN else None
                    return
                failures += 1  # "waiting to start", or a kubelet that cannot be reached
            except CannotConnect as error:
                self._why = str(error.what)
                failures += 1
            if stop.wait(backoff.next()):
                return

    def _finish(self, *, stopped: bool) -> None:
        """The last question, and a gap for what it does not prove."""
        now, gone = self._tape.pace.now(), not stopped
        if stopped and self.proven is not None:
            try:
                self._ask(last=True)
            except CannotConnect as error:
                self._why = str(error.what)
                gone = isinstance(error, ApiError) and error.status == _NOT_FOUND
        until = self.proven
        whole = gone and self._over  # it had ended before its pod went
        if until is not None and not whole and now - until > (0 if stopped else FRESH):
            self._tape.gap(_TABLES[0], until, now, f"{self.part}: {self._why}")
        self._tape.vouch(_TABLES, self.part, None)

    def end(self, within: float = 0.0) -> None:
        """Ends it soon, from any thread: what was read is written.

        The log of a pod that is deleted ends by itself, if it has not yet; `within` so many real seconds.
        """
        self._gone.set()
        if within:
            patience = threading.Timer(within, self._halt)
            patience.daemon = True
            patience.start()
        else:
            self._halt()

    def _halt(self) -> None:
        if self._stream is not None:
            self._stream.stop()

    def _last_words(self) -> None:
        """What the container said before its last restart, which nobody followed."""
        query = {"container": self._of.container, "previous": "true", "timestamps": "true", "tailLines": _LAST_WORDS}
        try:
            self._write(self._cluster.get(self._path, query).splitlines())
        except CannotConnect:
            return  # the kubelet keeps one former log at best

    def _ask(self, *, last: bool = False) -> None:
        """The lines up to now, by an answer that has an end. Raises when there is none, or when it broke off."""
        asked = self._tape.pace.now()
        with self._opened(_LAST_S if last else self._idle_s, last=last) as stream:
            broken = self._take(stream)
            if broken is not None:
                raise broken
            if not stream.stopped:
                self._whole_to = asked

    def _follow(self) -> bool:
        """One connection; whether it brought anything new, or lasted until it broke off. Raises when there was none."""
        before = self._last, self._with_last
        with self._opened(self._idle_s, follow="true") as stream:
            self._over = False
            broken = self._take(stream)
            self._over = broken is None and not stream.stopped
        return broken is not None or (self._last, self._with_last) != before

    @contextmanager
    def _opened(self, idle_s: float, *, last: bool = False, **how: str) -> Iterator[Stream]:
        """The log from the last line on."""
        query: dict[str, object] = {"container": self._of.container, "timestamps": "true", **how}
        if self._last:
            query["sinceTime"] = self._last.split(b".")[0].decode() + "Z"
        else:
            query["sinceSeconds"] = _CONTEXT_S
        with self._cluster.stream(self._path, query, idle_s=idle_s, last=last) as stream:
            # The last question is not called off: it has little time of its own.
            self._stream = None if last else stream
            if self._gone.is_set() and not last:
                stream.stop()
            yield stream

    def _take(self, stream: Stream) -> Unreachable | None:
        """Writes what comes; returns how it broke off, if it did: lines before that count."""
        broken: list[Unreachable] = []
        self._write(_cut_lines(_until_broken(stream, broken)))
        return broken[0] if broken else None

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
                self._written, self._read_at = (self._last, self._read_at), self._tape.pace.now()
                self._last, self._with_last = at, 0
            self._with_last += at == self._last
            yield line[: stamp.end() - 1] + b" stdout F " + line[stamp.end() :]


def _micros(stamp: bytes) -> Micros:
    """A time of the kubelet's without its zone; what is no time proves nothing."""
    try:
        return parse_time(stamp[:26].decode() + "Z")
    except ValueError:
        return 0


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
