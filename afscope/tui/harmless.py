"""The one way in which text out of a capture reaches the screen.

Rich markup needs no escape as long as the result is put into a `Text`, which is the rule in this package.
"""

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from afscope.model.text import harmless

__all__ = ["cut", "fit", "harmless", "label"]

ELLIPSIS = "…"


def label(text: object, style: str = "") -> Text:
    """Harmless text, ready for a widget."""
    return Text(harmless(text), style=style)


def cut(text: str, cells: int) -> str:
    """`text` in at most `cells` terminal cells; an ellipsis marks what is missing. Wide characters count twice."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + ELLIPSIS if cells > 0 else ""


def fit(text: str, cells: int) -> str:
    """`text` in exactly `cells` terminal cells, cut or padded on the right."""
    return set_cell_size(cut(text, cells), max(cells, 0))
