"""The one way in which text out of a capture reaches the screen."""

import re

from rich.cells import cell_len, set_cell_size
from rich.text import Text

# C0, DEL and C1 drive terminals; zero-width, bidi and tag characters hide or reorder text; U+2028/9 break lines;
# lone surrogates cannot be written at all.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}
ELLIPSIS = "…"


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def harmless(text: object) -> str:
    """`text` as one printable line: whatever could drive the terminal or reorder the line appears as its escape.

    Rich markup needs no escape as long as the result is put into a `Text`, which is the rule in this package.
    """
    return _HOSTILE.sub(_escape, str(text))


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
