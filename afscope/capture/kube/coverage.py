"""Up to when the record of a list is known to be whole, and the gaps that follow from that."""

from afscope.capture.tape import Tape
from afscope.model.capture import SourceState
from afscope.model.clock import SECOND, Micros, rfc3339

# A source that has not answered for so long is not in order any more, though nothing may be lost in the end.
_OVERDUE: Micros = 60 * SECOND
# What comes so soon after a watch broke off is as good as prompt.
_PROMPT: Micros = 5 * SECOND


class Coverage:
    """What one collector can vouch for. It knows no network: others tell it what they learnt, and when.

    That bytes arrive proves little: a watch that was just resumed has the past to tell first. That none arrive proves
    nothing: the other side may be gone. So the last good moment only moves on when it is known that nothing older is
    on its way, and a loss that shows later reaches back to it.
    """

    def __init__(self, tape: Tape, table: str, name: str, *, minor: bool = False) -> None:
        """Before this moment nothing was to be recorded. A `minor` collector does not speak for its table."""
        self._tape, self._table, self._name, self._minor = tape, table, name, minor
        self._whole_to = tape.pace.now()
        self._trouble = ""
        self._readable = False
        self._recorded = False
        self._absent = False
        self._doubted: Micros | None = None
        self._silent = False
        self._untimed = 0
        self._said: tuple[SourceState, str] | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the watch broke off or fell silent, and nothing has proved since that all of it came."""
        return self._doubted is not None

    @property
    def proven(self) -> Micros | None:
        """Up to when everything is in the record; None where nothing was to be had, which is no hole."""
        return self._whole_to if self._recorded and not self._absent else None

    @property
    def overdue_since(self) -> Micros | None:
        """Since when what comes now may have happened; None where it comes as it happens."""
        if self._doubted is None or not (self._silent or self._tape.pace.now() - self._doubted > _PROMPT):
            return None
        return self._whole_to

    def untimed(self) -> None:
        """Something came late and does not say when it happened: nobody knows the order of things in that time."""
        self._untimed += 1

    def whole(self, to: Micros) -> None:
        """Everything up to `to` is in the record, and it goes on."""
        if self._untimed:
            self._gap(f"the watch was silent; {self._untimed} change(s) came late and do not say when they happened")
        self._whole_to = to
        self._trouble, self._absent = "", False
        self._doubted, self._silent, self._untimed = None, False, 0
        self._readable = self._recorded = True
        self._say(SourceState.OK)

    def silent(self) -> None:
        """An open watch has brought nothing for longer than a server is silent. Nothing is lost yet."""
        self._silent = True
        self._doubt()

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
        self._untimed = 0  # the gap that was declared covers them
        self.whole(begun)

    def failed(self, why: str) -> None:
        """No answer, or none that makes sense. What was recorded stays good, and the watch may still be resumed."""
        self._trouble = why
        self._doubt()
        if not self._readable:
            self._say(SourceState.FAILED, why)
        elif self._tape.pace.now() - self._whole_to > _OVERDUE:
            self._say(SourceState.PARTIAL, f"nothing new since {rfc3339(self._whole_to)}: {why}")

    def refused(self, why: str) -> None:
        """The server does not let us. A watch that it allows again may still be resumed."""
        self._trouble, self._readable = why, False
        self._doubt()
        self._say(SourceState.FORBIDDEN, why)

    def absent(self, why: str) -> None:
        """The server has no such kind: there was nothing to see until now, but for what vanished with the kind."""
        if self._recorded and not self._absent:
            self._gap(why)
        self._trouble, self._readable, self._absent = why, False, True
        self._whole_to = self._tape.pace.now()
        self._say(SourceState.ABSENT, why)

    def end(self, stopped: Micros) -> None:
        """The recording was stopped at that time. What was never readable has no gap: its source says so."""
        if self._recorded and not self._absent and self._whole_to < stopped:
            self._gap(self._trouble or "the server was silent at the end: what came last may be missing")

    def _doubt(self) -> None:
        if self._doubted is None:
            self._doubted = self._tape.pace.now()

    def _gap(self, reason: str) -> None:
        now = self._tape.pace.now()
        if now > self._whole_to:
            self._tape.gap(self._table, self._whole_to, now, f"{self._name}: {reason}")

    def _say(self, state: SourceState, why: str = "") -> None:
        if (state, why) == self._said:
            return
        self._said = state, why
        self._tape.told(self._name, state, why, of_many=True)
        if state is SourceState.OK or not self._minor:
            self._tape.source(self._table, self._name, state, why)
