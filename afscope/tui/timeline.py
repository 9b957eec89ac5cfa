"""The timeline pane: the lanes of one target, and everything at the cursor below them."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from afscope.tui.heads import Readout
from afscope.tui.lanes import Lanes
from afscope.tui.place import Place


def shown(widget: Widget) -> bool:
    """Whether a widget belongs to the screen that is shown."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


class Timeline(Vertical):
    """Lanes above, readout below; the place is shared with all other screens."""

    DEFAULT_CSS = "Timeline { width: 1fr; height: 1fr; }"

    def __init__(self, place: Place, titles: dict[str, str], lang: str) -> None:
        super().__init__(id="timeline")
        self.place = place
        self.lanes = Lanes(place, titles, lang)
        self.readout = Readout(titles, lang)
        place.hear(self.told, self.told, self.told)

    def compose(self) -> ComposeResult:
        """Two widgets."""
        yield self.lanes
        yield self.readout

    def on_mount(self) -> None:
        """What holds where the cursor stands."""
        self.told()

    def told(self) -> None:
        """Tells of the cursor, if anybody sees it."""
        if self.is_mounted and shown(self):
            self.readout.tell(self.place.chart, self.lanes.axis, self.place.cursor)
