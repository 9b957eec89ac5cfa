"""The command palette: every key of the registry by name, and places to go to."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from afscope.tui import themes
from afscope.tui.harmless import harmless
from afscope.tui.keys import KEYS, says
from afscope.tui.words import word

if TYPE_CHECKING:
    from afscope.tui.case import CaseScreen

Command = tuple[str, Callable[[], object]]


class Commands(Provider):
    """Commands of the case screen."""

    def _every(self) -> Iterator[Command]:
        screen = cast("CaseScreen", self.screen)
        lang = screen.desk.lang
        for key in KEYS:
            if key.action not in ("palette", "app.quit"):
                yield f"{says(lang, key)}  ({key.shown})", partial(screen.run_action, key.action)
        for name in themes.NAMES:
            yield f"{word(lang, 'key_theme')}: {name}", partial(screen.choose_theme, name)
        for number, chart in enumerate(screen.desk.place.charts):
            target = harmless(chart.target) or word(lang, "unserved")
            yield f"{word(lang, 'col_target')}: {target}", partial(screen.desk.place.choose, number)

    async def discover(self) -> Hits:
        """Everything, in the order of the registry."""
        for text, command in self._every():
            yield DiscoveryHit(Text(text), command, text)

    async def search(self, query: str) -> Hits:
        """What is alike."""
        matcher = self.matcher(query)
        for text, command in self._every():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, Text(text), command, text)
