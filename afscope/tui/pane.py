"""The list pane: a stack of pages, and the rows of a piece of evidence on top of it."""

from dataclasses import dataclass

from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from afscope.model.finding import Finding
from afscope.tui.pages import Entry, Page, Subject, same


class PageList(OptionList):
    """Shows the top page of a stack. Opening and highlighting come out as messages."""

    DEFAULT_CSS = """
    PageList { height: 1fr; border: none; padding: 0; background: $background; scrollbar-size-vertical: 1; }
    PageList:focus { border: none; background-tint: transparent 0%; }
    PageList > .option-list--option { padding: 0 1; }
    PageList > .option-list--option-disabled { color: $foreground; }
    PageList > .option-list--option-highlighted { background: $primary 20%; color: $foreground; text-style: none; }
    PageList:focus > .option-list--option-highlighted { background: $primary 45%; }
    """

    @dataclass
    class Opened(Message):
        """Enter or a click on an entry that leads somewhere."""

        subject: Subject

    @dataclass
    class Chosen(Message):
        """Another entry, or another page, is under the highlight; None for a page without choices."""

        entry: Entry | None

        def can_replace(self, message: Message) -> bool:
            """Only where the highlight ends up matters."""
            return isinstance(message, PageList.Chosen)

    def __init__(self, root: Page, id_: str = "list") -> None:
        super().__init__(id=id_, markup=False)
        self._stack: list[tuple[Page, int | None]] = [(root, None)]
        self._shown = root

    def on_mount(self) -> None:
        """The root page."""
        self._fill(self._shown, None)

    def on_resize(self) -> None:
        """Keeps the highlight in sight, also when the pane was not seen while it moved."""
        self.call_after_refresh(self.scroll_to_highlight)

    @property
    def depth(self) -> int:
        """0 at the root."""
        return len(self._stack) - 1

    @property
    def page(self) -> Page:
        """What is shown."""
        return self._shown

    @property
    def trail(self) -> list[str]:
        """The titles from the root to the page that is shown."""
        return [page.title for page, _ in self._stack]

    @property
    def subjects(self) -> list[Subject | None]:
        """What the pages above the root are about."""
        return [page.about for page, _ in self._stack[1:]]

    @property
    def entry(self) -> Entry | None:
        """What is under the highlight."""
        return None if self.highlighted is None else self._shown.entries[self.highlighted]

    @property
    def findings(self) -> list[int]:
        """Where findings stand on the page."""
        return [n for n, entry in enumerate(self._shown.entries) if isinstance(entry.opens, Finding)]

    def push(self, page: Page) -> None:
        """Goes into a page."""
        self._stack[-1] = (self._shown, self.highlighted)
        self._stack.append((page, None))
        self._fill(page, None)

    def renew(self, pages: list[Page]) -> None:
        """Other pages in the same places; the highlight stays on what it was on."""
        self._stack[-1] = (self._shown, self.highlighted)
        before, self._stack = self._stack, []
        for page, (old, highlighted) in zip(pages, before, strict=False):
            self._stack.append((page, _same_entry(page, old, highlighted)))
        top, scrolled = self.scroll_y, len(before) == len(pages)
        self._fill(*self._stack[-1])
        if scrolled:
            self.scroll_to(y=top, animate=False)

    def begin(self, page: Page) -> None:
        """Another root page, seen from its top."""
        self._stack = [(page, None)]
        self._fill(page, None)

    def pop(self) -> bool:
        """Goes back to the page before, to the entry that was open; False at the root."""
        if not self.depth:
            return False
        self._stack.pop()
        self._fill(*self._stack[-1])
        return True

    def home(self) -> None:
        """Back to the root page."""
        while self.pop():
            pass

    def choose(self, index: int) -> None:
        """Puts the highlight on an entry."""
        self.highlighted = index

    def _fill(self, page: Page, highlighted: int | None) -> None:
        self._shown = page
        self.clear_options()
        self.add_options(Option(entry.text, disabled=entry.heading) for entry in page.entries)
        first = next((n for n, entry in enumerate(page.entries) if not entry.heading), None)
        self.highlighted = first if highlighted is None else highlighted
        self.scroll_home(animate=False)
        self.scroll_to_highlight()
        self.post_message(self.Chosen(self.entry))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tells what is chosen."""
        event.stop()
        self.post_message(self.Chosen(self.entry))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Opens what leads somewhere."""
        event.stop()
        entry = self._shown.entries[event.option_index]
        if entry.opens is not None:
            self.post_message(self.Opened(entry.opens))


def _same_entry(page: Page, before: Page, highlighted: int | None) -> int | None:
    """The entry of a new page that leads where the highlighted one of the old page led, else the same row."""
    if highlighted is None or highlighted >= len(before.entries):
        return None
    led = before.entries[highlighted].opens
    if led is not None:
        for index, entry in enumerate(page.entries):
            if entry.opens is not None and same(entry.opens, led):
                return index
    choices = [index for index, entry in enumerate(page.entries) if not entry.heading]
    return min(choices, key=lambda index: abs(index - highlighted), default=None)
