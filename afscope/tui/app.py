"""The application: reads a case behind a first frame, then shows it. It only wires; screens live in their own files."""

import threading
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Middle
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from afscope.tui.case import CaseScreen
from afscope.tui.harmless import harmless
from afscope.tui.source import CaseFile, Load
from afscope.tui.words import word


class AfscopeApp(App[int]):
    """Shows a case, or what `load` yields; returns the exit code. `failure` is what `load` raised, for the caller."""

    TITLE = "afscope"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+q", "quit", show=False, priority=True),
    ]

    class Read(Message):
        """The case is there."""

        def __init__(self, case: CaseFile) -> None:
            super().__init__()
            self.case = case

    class ReadFailed(Message):
        """There will be no case."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(self, case: CaseFile | Load, name: str, lang: str = "en") -> None:
        super().__init__()
        self._case, self.name_, self.lang = case, name, lang
        self.failure: Exception | None = None

    def get_default_screen(self) -> Screen[None]:
        """What is seen while the case is read."""
        return Reading(self.name_, self.lang)

    def on_mount(self) -> None:
        """Reads in a thread of its own: a daemon, because leaving must not wait for a long analysis."""
        threading.Thread(target=self._read, name="afscope-read", daemon=True).start()

    def _read(self) -> None:
        try:
            case = self._case() if callable(self._case) else self._case
            # Both are computed on first use: here, and not on the event loop.
            _ = case.analysis, case.charts
            message: Message = self.Read(case)
        except Exception as error:  # shown by the caller once the terminal is its own again
            message = self.ReadFailed(error)
        self.post_message(message)

    def on_afscope_app_read(self, event: Read) -> None:
        """Shows the case over the waiting screen."""
        self.push_screen(CaseScreen(event.case, name=self.name_, lang=self.lang))

    def on_afscope_app_read_failed(self, event: ReadFailed) -> None:
        """Leaves; `failure` says why."""
        self.failure = event.error
        self.exit(getattr(event.error, "exit_code", 2), return_code=getattr(event.error, "exit_code", 2))

    async def action_quit(self) -> None:
        """Leaves at once."""
        self.exit(0)


class Reading(Screen[None]):
    """Says that the capture is being read."""

    CSS = "Reading { align: center middle; } Reading Static { width: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape", "app.quit", show=False)]

    def __init__(self, name: str, lang: str) -> None:
        super().__init__(id="reading")
        self._text = Text(word(lang, "reading", name=harmless(name)))

    def compose(self) -> ComposeResult:
        """One sentence."""
        with Middle():
            yield Static(self._text, markup=False)


def run(case: CaseFile | Callable[[], CaseFile], *, name: str, lang: str = "en") -> int:
    """Shows a case until the user leaves and returns the exit code.

    What a callable raises is raised here, after the screen is gone: the command line turns it into one sentence and
    the exit code of its class.
    """
    app = AfscopeApp(case, name, lang)
    code = app.run()
    if app.failure is not None:
        raise app.failure
    return code or 0
