"""What all screens of one capture share: the case, the place, the language."""

from dataclasses import dataclass

from afscope.tui.pages import Pages
from afscope.tui.place import Place
from afscope.tui.source import CaseFile


@dataclass(slots=True)
class Desk:
    """`case` is replaced while a capture grows; everything else stays. `titles` are those of the causes drawn."""

    case: CaseFile
    place: Place
    pages: Pages
    titles: dict[str, str]
    lang: str
    name: str
    queries: list[str]
    """Queries of the user, oldest first."""
    growing: bool = False
    """Whether rows still come in."""
