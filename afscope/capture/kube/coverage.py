"""Up to when the record of a list is known to be whole, and the gaps that follow from that."""

from afscope.capture.tape import Tape
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, rfc3339

# A source that has not answered for so long is not in order any more, though nothing may be lost in the end.
_OVERDUE: Micros = 60 * SECOND
# A server that sends bookmarks sends one about each minute (apiserver's storage/cacher: bookmarkFrequency); without
# one for so long the connection may be half open.
_SILENT: Micros = 75 * SECOND


class Coverage:
    """What one collector can vouch for. It knows no network: others tell it what they learnt, and when.

    That bytes arrive proves little: a watch that was just resumed has the past to tell first. So the last good moment
    only moves on when it is known that nothing older is on its way, and a loss that shows later reaches back to it.
    """

    def __init__(self, tape: Tape, table: str, name: str, *, minor: bool = False) -> None:
        """Before this moment nothing was to be recorded. A `minor` collector does not speak for its table."""
        self._tape, self._table, self._name, self._minor = tape, table, name, minor
        self._whole_to = tape.pace.now()
        self._trouble = ""
        self._readable = False
        self._recorded = False
        self._absent = False
        self._bookmarked = False
        self._said: tuple[SourceState, str] | None = None

    def whole(self, to: Micros) -> None:
        """Everything up to `to` is in the record, and it goes on."""
        self._whole_to = to
        self._trouble, self._absent = "", False
        self._readable = self._recorded = True
        self._say(SourceState.OK)

    def bookmarked(self) -> None:
        """The server said that there is nothing else up to now. It will say so again, each minute or so."""
        self._bookmarked = True
        self.whole(self._tape.pace.now())

    def began(self) -> None:
        """A part of the first list is in the record, so from now on there is something to have holes."""
        self._recorded = True

    def listed(self, begun: Micros, expired: str) -> None:
        """A list that was begun then is in the record; what was missed before it is a gap.

        `expired` says what it showed after a watch that could not be resumed, "" when there was none.
        """
        if expired and self._readable:
            self._gap(f"the watch expired; a new list shows {expired}")
        elif self._trouble:
            self._gap(f"not readable until now: {self._trouble}")
        self.whole(begun)

    def failed(self, why: str) -> None:
        """No answer, or none that makes sense. What was recorded stays good, and the watch may still be resumed."""
        self._trouble = why
        if not self._readable:
            self._say(SourceState.FAILED, why)
        elif self._tape.pace.now() - self._whole_to > _OVERDUE:
            self._say(SourceState.PARTIAL, f"nothing new since {rfc3339(self._whole_to)}: {why}")

    def refused(self, why: str) -> None:
        """The server does not let us."""
        self._trouble, self._readable = why, False
        self._say(SourceState.FORBIDDEN, why)

    def absent(self, why: str) -> None:
        """The server has no such kind: there was nothing to see until now, but for what vanished with the kind."""
        if self._recorded and not self._absent:
            self._gap(why)
        self._trouble, self._readable, self._absent = why, False, True
        self._whole_to = self._tape.pace.now()
        self._say(SourceState.ABSENT, why)

    def end(self) -> None:
        """The recording ends. What was never readable has no gap: its source says so."""
        if not self._recorded or self._absent:
            return
        if self._trouble:
            self._gap(self._trouble)
        elif self._bookmarked and self._tape.pace.now() - self._whole_to > _SILENT:
            self._gap("the server was silent, though it had sent bookmarks before: what came last may be missing")

    def _gap(self, reason: str) -> None:
        now = self._tape.pace.now()
        if now > self._whole_to:
            self._tape.gap(self._table, self._whole_to, now, f"{self._name}: {reason}")

    def _say(self, state: SourceState, why: str = "") -> None:
        if (state, why) == self._said:
            return
        self._said = state, why
        self._tape.told(self._name, state, why)
        if state is SourceState.OK or not self._minor:
            self._tape.source(self._table, self._name, state, why)
