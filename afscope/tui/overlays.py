"""What lies over the case for a moment: the help, and the line that asks for a time."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from afscope.model.clock import Micros
from afscope.model.timeline import RowPage
from afscope.tui import palette
from afscope.tui.evidence import Rows
from afscope.tui.harmless import fit
from afscope.tui.keys import GROUPS, KEYS, says
from afscope.tui.words import word

_GLYPHS = (
    (palette.RANGE, "legend_range"),
    (palette.HOLE, "legend_hole"),
    (palette.GAP, "legend_gap"),
    (palette.DECISION, "legend_tick"),
    (palette.WARNING, "legend_warning"),
)


def help_text(lang: str, screen: str = "") -> Text:
    """Every key of the registry that works on `screen` (empty: all) with what it does, then how to read the lanes."""
    text = Text()
    for group in GROUPS:
        keys = [key for key in KEYS if key.group == group and (not screen or not key.where or screen in key.where)]
        if keys:
            text.append(f"{word(lang, f'group_{group}')}\n", "bold")
        for key in keys:
            text.append(f"  {fit(key.shown, 8)}", palette.SKY).append(f"{says(lang, key)}\n")
    text.append(f"{word(lang, 'legend')}\n", "bold")
    for glyph, name in _GLYPHS:
        text.append(f"  {fit(glyph, 8)}", palette.SKY).append(f"{word(lang, name)}\n")
    return text.append(f"  {word(lang, 'legend_mouse')}", "dim")


class Help(ModalScreen[None]):
    """The keys."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help > Vertical { width: 62; height: auto; max-height: 100%; border: solid $primary; padding: 0 1; }
    Help VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, lang: str, screen: str = "") -> None:
        super().__init__(id="help")
        self.lang, self._of = lang, screen

    def compose(self) -> ComposeResult:
        """The text, scrollable where the terminal is low."""
        with Vertical() as box:
            box.border_title = Text(word(self.lang, "help")).plain
            box.border_subtitle = Text(word(self.lang, "help_close")).plain
            with VerticalScroll():
                yield Static(help_text(self.lang, self._of), markup=False)

    def action_scroll(self, by: int) -> None:
        """j and k, as in lists."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


class Jump(ModalScreen[Micros | None]):
    """Asks for a time; stays open, and says why, until it understands one."""

    DEFAULT_CSS = """
    Jump { align: center bottom; background: transparent; }
    Jump > Vertical { height: auto; border: solid $primary; }
    Jump Input, Jump Input:focus { border: none; height: 1; padding: 0 1; }
    Jump Static { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def __init__(self, lang: str, understand: Callable[[str], Micros], limits: str) -> None:
        super().__init__(id="jump")
        self.lang, self._understand, self._limits = lang, understand, limits

    def compose(self) -> ComposeResult:
        """Input, and the forms it takes."""
        with Vertical() as box:
            box.border_title = word(self.lang, "jump_to")
            yield Input(id="when")
            yield Static(Text(word(self.lang, "jump_forms"), "dim"), id="forms", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Closes with the time, or says what a time looks like."""
        try:
            self.dismiss(self._understand(event.value))
        except ValueError:
            bad = Text(word(self.lang, "jump_bad", range=self._limits), palette.VERMILLION)
            forms = Text(word(self.lang, "jump_forms"), "dim")
            self.query_one("#forms", Static).update(Text("\n").join([bad, forms]))


class Prompt(ModalScreen[str | None]):
    """Asks for a line of text."""

    DEFAULT_CSS = """
    Prompt { align: center bottom; background: transparent; }
    Prompt > Vertical { height: auto; border: solid $primary; }
    Prompt Input, Prompt Input:focus { border: none; height: 1; padding: 0 1; }
    Prompt Static { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def __init__(self, title: str, value: str = "", hint: str = "") -> None:
        super().__init__(id="prompt")
        self._title, self._value, self._hint = title, value, hint

    def compose(self) -> ComposeResult:
        """Input, and a hint."""
        with Vertical() as box:
            box.border_title = Text(self._title).plain
            yield Input(self._value, id="line", select_on_focus=False)
            if self._hint:
                yield Static(Text(self._hint, "dim"), markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Closes with the text."""
        self.dismiss(event.value.strip())


class Proof(ModalScreen[None]):
    """The rows of a piece of evidence over whatever screen asked for them."""

    DEFAULT_CSS = "Proof { background: $background; } Proof #of { height: 1; padding: 0 1; text-style: bold reverse; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,backspace", "dismiss", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, lang: str, title: str, page: RowPage) -> None:
        super().__init__(id="proof")
        self.lang, self._title, self._page = lang, title, page
        self.rows = Rows(lang)

    def compose(self) -> ComposeResult:
        """What for, and the rows."""
        yield Static(Text(self._title, no_wrap=True, overflow="ellipsis"), id="of", markup=False)
        yield self.rows

    def on_mount(self) -> None:
        """The row that is meant is chosen."""
        self.rows.show(self._page)
        self.rows.table.focus()

    def action_down(self) -> None:
        """The next row."""
        self.rows.table.action_cursor_down()

    def action_up(self) -> None:
        """The row before."""
        self.rows.table.action_cursor_up()

    def action_copy(self) -> None:
        """The chosen row as text."""
        self.app.copy_to_clipboard(self.rows.record)
        self.notify(word(self.lang, "copied"), timeout=2, markup=False)
