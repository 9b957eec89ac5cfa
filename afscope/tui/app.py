"""The application: reads a case behind a first frame, then shows it. It only wires; screens live in their own files."""

import gc
import sys
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from afscope.tui import memory, themes
from afscope.tui.case import CaseScreen
from afscope.tui.harmless import harmless
from afscope.tui.live import Live
from afscope.tui.source import CaseFile, LiveFile, Load, News
from afscope.tui.words import word

_LET_GO_S = 5.0
_HOLD_S = 0.0005


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

    class Grew(Message):
        """Rows came in."""

        def __init__(self, case: LiveFile, news: News) -> None:
            super().__init__()
            self.case, self.news = case, news

    class Checked(Message):
        """The whole capture was looked at: what is damaged is known."""

    class ReadFailed(Message):
        """There will be no case."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self,
        case: CaseFile | Load,
        name: str,
        lang: str = "en",
        live: Live | None = None,
        *,
        preview: Load | None = None,
        remember: bool = False,
    ) -> None:
        """With `live`, `case` must be callable: it is read again as the capture grows.

        `preview` is what to show until it is read. With `remember` the user's place in the capture is kept for the
        next time.
        """
        super().__init__()
        self._case, self.name_, self.lang, self.live = case, name, lang, live
        self._preview, self._remember = preview, remember
        for theme in themes.ALL.values():
            self.register_theme(theme)
        self._exchanges = {name: themes.Exchange(name) for name in themes.NAMES}
        self._bare = themes.Bare()
        chosen = memory.theme() if remember and not self.no_color else "dark"
        self.theme = themes.ALL[chosen if chosen in themes.ALL else "dark"].name
        self._shown: CaseScreen | None = None
        self._threads: list[threading.Thread] = []
        self.failure: Exception | None = None
        self.alone = False
        """Whether the process is there for this screen only."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, behind that of the theme; without colour ours alone."""
        if self.no_color:
            return [self._bare]
        return [self._exchanges[themes.named(self.theme)], *super().get_line_filters()]

    def get_default_screen(self) -> Screen[None]:
        """What is seen while the case is read."""
        return Reading(self.name_, self.lang, live=self.live is not None)

    def on_mount(self) -> None:
        """Reads in a thread of its own: a daemon, because leaving must not wait for a long analysis."""
        self._begin(self._read)
        if self.live is not None and self.live.rows is not None:
            self._begin(self.live.grow, self._show, self._grew, self._fail)

    def _begin(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, name="afscope-read", daemon=True))
        self._threads[-1].start()

    def let_go(self) -> None:
        """Waits a moment for what was called off: a thread that is torn out of a query aborts the whole program."""
        for thread in self._threads:
            thread.join(_LET_GO_S if self.live is not None else 0)

    def _read(self) -> None:
        if self.live is not None and callable(self._case):
            self.live.follow(self._case, self._show, self._fail)
            return
        try:
            if self._preview is not None:
                shown = self._preview()
                _ = shown.analysis, shown.charts
                self.post_message(self.Read(shown))
                finish = getattr(shown, "finish", None)
                if callable(finish):
                    finish()
                    self.post_message(self.Checked())
            case = self._case() if callable(self._case) else self._case
            # Both are computed on first use: here, and not on the event loop.
            _ = case.analysis, case.charts
            message: Message = self.Read(case)
        except Exception as error:  # shown by the caller once the terminal is its own again
            message = self.ReadFailed(error)
        self.post_message(message)

    def _show(self, case: CaseFile) -> None:
        self.post_message(self.Read(case))

    def _grew(self, case: LiveFile, news: News) -> None:
        self.post_message(self.Grew(case, news))

    def _fail(self, error: Exception) -> None:
        self.post_message(self.ReadFailed(error))

    def on_afscope_app_read(self, event: Read) -> None:
        """Shows the case over the waiting screen, or what is new of it in the screen that stands."""
        if self._shown is None:
            self._shown = CaseScreen(
                event.case, name=self.name_, lang=self.lang, live=self.live, remember=self._remember
            )
            self.push_screen(self._shown)
            if self.alone:
                self.call_after_refresh(settle)
        else:
            self._shown.renew(event.case)

    def on_afscope_app_checked(self, _event: Checked) -> None:
        """The header says whether it is whole."""
        if self._shown is not None:
            self._shown.retag()

    def on_afscope_app_grew(self, event: Grew) -> None:
        """New rows, for the screen that stands."""
        if self._shown is not None:
            self._shown.grew(event.case, event.news)

    def on_afscope_app_read_failed(self, event: ReadFailed) -> None:
        """Leaves; `failure` says why."""
        self.failure = event.error
        self.exit(getattr(event.error, "exit_code", 2), return_code=getattr(event.error, "exit_code", 2))

    async def action_quit(self) -> None:
        """Leaves at once."""
        self.exit(0)

    def on_unmount(self) -> None:
        """Nobody reads for a screen that is gone; where it was is kept."""
        if self._shown is not None:
            self._shown.keep()
        if self.live is not None:
            self.live.leave()


def settle() -> None:
    """Modules, styles and screens are here to stay: nobody need look through them for garbage, 60 ms each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


class Reading(Screen[None]):
    """Says that the capture is being read."""

    CSS = "Reading { align: center middle; } Reading Static { width: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,escape", "app.quit", show=False)]

    def __init__(self, name: str, lang: str, *, live: bool) -> None:
        super().__init__(id="reading")
        self._text = Text(word(lang, "waiting_rows" if live else "reading", name=harmless(name)))

    def compose(self) -> ComposeResult:
        """One sentence."""
        yield Static(self._text, markup=False)


def run(
    case: CaseFile | Load, *, name: str, lang: str = "en", live: Live | None = None, preview: Load | None = None
) -> int:
    """Shows a case until the user leaves and returns the exit code; with `live`, one that still grows.

    What a callable raises is raised here, after the screen is gone: the command line turns it into one sentence and
    the exit code of its class.
    """
    app = AfscopeApp(case, name, lang, live, preview=preview, remember=True)
    app.alone = True
    # A key waits for as long as a thread may hold the interpreter: 5 ms each time by default.
    sys.setswitchinterval(_HOLD_S)
    code = app.run()
    app.let_go()
    if app.failure is not None:
        raise app.failure
    return code or 0
