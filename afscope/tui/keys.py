"""The one list of keys: bindings, footer and help are made of it. Texts are in words.py under `key_<action>`."""

from typing import NamedTuple

from rich.cells import cell_len
from textual.binding import Binding

from afscope.tui.words import word


class Key(NamedTuple):
    """`keys` as Textual names them, comma-separated; `shown` as people do; `footer` is its rank there (0: absent)."""

    keys: str
    shown: str
    action: str
    group: str
    footer: int = 0
    priority: bool = False


KEYS = (
    # Lists scroll sideways on arrows by default; here arrows belong to the time cursor.
    Key("left,h", "← h", "earlier", "time", 4, True),
    Key("right,l", "→ l", "later", "time", 4, True),
    Key("left_square_bracket", "[", "previous_change", "time", 5),
    Key("right_square_bracket", "]", "next_change", "time", 5),
    Key("left_curly_bracket", "{", "previous_finding", "time", 3),
    Key("right_curly_bracket", "}", "next_finding", "time", 3),
    Key("plus,equals_sign", "+", "zoom_in", "time", 6),
    Key("minus", "-", "zoom_out", "time", 6),
    Key("0", "0", "whole", "time"),
    Key("g", "g", "first", "time"),
    Key("G", "G", "last", "time"),
    Key("t", "t", "jump", "time", 8),
    Key("T", "T", "next_target", "place"),
    Key("1,2,3,4,5,6,7,8,9", "1…9", "target", "place"),
    Key("tab,shift+tab", "Tab", "next_pane", "place", 2, True),
    Key("j", "j ↓", "down", "place"),
    Key("k", "k ↑", "up", "place"),
    Key("enter", "Enter", "open", "place", 2),
    Key("escape", "Esc", "back", "place", 7),
    Key("y", "y", "copy", "other", 9),
    Key("question_mark", "?", "help", "other", 1),
    Key("q", "q", "leave", "other", 1),
    Key("ctrl+c", "Ctrl-C", "app.quit", "other", 0, True),
)
GROUPS = ("time", "place", "other")


def bindings() -> list[Binding]:
    """The bindings of the case screen."""
    out = []
    for key in KEYS:
        for name in key.keys.split(","):
            action = f"target({name})" if key.action == "target" else key.action
            out.append(Binding(name, action, show=False, priority=key.priority))
    return out


def footer(lang: str, width: int) -> str:
    """As many keys as fit in `width` cells, the most needed first; keys of one rank share a text."""
    ranks = sorted({key.footer for key in KEYS} - {0})
    parts: list[str] = []
    for rank in ranks:
        for part in _rank(lang, rank):
            if cell_len("  ".join([*parts, part])) <= width:
                parts.append(part)
    return "  ".join(parts)


def _rank(lang: str, rank: int) -> list[str]:
    """The keys of one rank: each its own text, unless they have one in common."""
    keys = [key for key in KEYS if key.footer == rank]
    texts = {word(lang, f"short_{key.action}") for key in keys}
    if len(texts) == 1 and len(keys) > 1:
        return [f"{' '.join(key.shown.split()[0] for key in keys)} {texts.pop()}"]
    return [f"{key.shown.split()[0]} {word(lang, f'short_{key.action}')}" for key in keys]
