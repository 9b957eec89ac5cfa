"""The one registry of keys and commands: bindings, footer, help, command palette and docs/keys.md are made of it.

Texts are in words.py: `key_<command>` says what it does, `short_<command>` stands in the footer.
"""

from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len
from textual.binding import Binding

from afscope.tui.words import known, word

SCREENS = (
    "overview", "findings", "tasks", "workers", "autoscaler", "limits", "events", "logs", "sql", "capture", "whatif",
)  # fmt: skip
"""The screens in the order of their tabs."""
SCREEN_KEYS = dict(zip(SCREENS, "123456789CW", strict=True))
TABLES = ("findings", "tasks", "workers", "autoscaler", "limits", "events", "logs", "sql", "capture", "whatif")


class Key(NamedTuple):
    """`keys` as Textual names them, comma-separated; `shown` as people do; `footer` is its rank there (0: absent).

    `where` names the screens on which it does something (empty: all). A key with `priority` beats the widget in focus.
    """

    keys: str
    shown: str
    action: str
    group: str
    footer: int = 0
    priority: bool = False
    where: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Its name in words.py: the action, and its argument behind an underscore."""
        return self.action.replace("('", "_").replace("')", "")


KEYS = (
    # Lists scroll sideways on arrows by default; here arrows belong to the time cursor.
    Key("left,h", "← h", "earlier", "time", 4, True),
    Key("right,l", "→ l", "later", "time", 4, True),
    Key("shift+left,H,a", "a ⇧←", "pan_left", "time"),
    Key("shift+right,L,d", "d ⇧→", "pan_right", "time"),
    Key("left_square_bracket", "[", "previous_change", "time", 7),
    Key("right_square_bracket", "]", "next_change", "time", 7),
    Key("left_curly_bracket", "{", "previous_finding", "time", 6),
    Key("right_curly_bracket", "}", "next_finding", "time", 6),
    Key("left_parenthesis", "(", "previous_decision", "time"),
    Key("right_parenthesis", ")", "next_decision", "time"),
    Key("E", "E", "previous_event", "time"),
    Key("e", "e", "next_event", "time"),
    Key("less_than_sign", "<", "previous_gap", "time"),
    Key("greater_than_sign", ">", "next_gap", "time"),
    Key("plus,equals_sign,w", "+ w", "zoom_in", "time", 8),
    Key("minus,s", "- s", "zoom_out", "time", 8),
    Key("0", "0", "whole", "time"),
    Key("g,home", "g", "first", "time"),
    Key("G,end", "G", "last", "time"),
    Key("t", "t", "jump", "time", 9),
    Key("space", "Space", "play", "time", 10),
    Key("comma", ",", "slower", "time"),
    Key("full_stop", ".", "faster", "time"),
    Key("m", "m", "mark", "time"),
    Key("apostrophe", "'", "next_mark", "time"),
    Key("v", "v", "range", "time", 11),
    Key("V", "V", "clear_range", "time"),
    Key("z", "z", "zoom_range", "time"),
    *(Key(key, key, f"screen('{name}')", "place") for name, key in SCREEN_KEYS.items()),
    Key("semicolon", ";", "screen('sql')", "place"),
    Key("T", "T", "next_target", "place"),
    Key("tab,shift+tab", "Tab", "next_pane", "place", 3, True),
    Key("j,down", "j ↓", "down", "place"),
    Key("k,up", "k ↑", "up", "place"),
    Key("ctrl+d,pagedown", "^D", "page_down", "place"),
    Key("ctrl+u,pageup", "^U", "page_up", "place"),
    Key("enter", "Enter", "open", "place", 2),
    Key("o", "o", "proof", "place", 2, where=("overview", "findings")),
    Key("escape", "Esc", "back", "place", 3),
    Key("slash", "/", "search", "find", 4, where=TABLES),
    Key("ampersand", "&", "filter", "find", 5, where=TABLES),
    Key("n", "n", "next_match", "find", where=TABLES),
    Key("N", "N", "previous_match", "find", where=TABLES),
    Key("b", "b", "cycle", "find", 3, where=("tasks", "autoscaler", "events", "logs", "whatif")),
    Key("f5,ctrl+r", "F5 ^R", "run", "sql", 2, True, where=("sql", "whatif")),
    Key("ctrl+up", "^↑", "older_query", "sql", 0, True, where=("sql",)),
    Key("ctrl+down", "^↓", "newer_query", "sql", 0, True, where=("sql",)),
    Key("ctrl+s", "^S", "export", "sql", 2, True, where=("sql",)),
    Key("question_mark,f1", "?", "help", "other", 1),
    Key("q", "q", "leave", "other", 1),
    Key("colon,ctrl+p", ": ^P", "palette", "other", 1),
    Key("y", "y", "copy", "other", 12),
    Key("x", "x", "cut", "other", 13),
    Key("ctrl+t", "^T", "theme", "other"),
    Key("ctrl+c,ctrl+q", "Ctrl-C", "app.quit", "other", 0, True),
)
GROUPS = ("time", "place", "find", "sql", "other")


def bindings() -> list[Binding]:
    """The bindings of the case screen."""
    return [
        Binding(name, key.action, show=False, priority=key.priority) for key in KEYS for name in key.keys.split(",")
    ]


def footer(lang: str, width: int, screen: str = "overview") -> str:
    """As many keys of a screen as fit in `width` cells, the most needed first; keys of one rank may share a text."""
    usable = [key for key in KEYS if key.footer and (not key.where or screen in key.where)]
    parts: list[str] = []
    for rank in sorted({key.footer for key in usable}):
        for part in _rank(lang, [key for key in usable if key.footer == rank]):
            if cell_len("  ".join([*parts, part])) <= width:
                parts.append(part)
    return "  ".join(parts)


def _rank(lang: str, keys: list[Key]) -> Iterator[str]:
    """Keys of one rank: those with the same text together."""
    texts: dict[str, list[str]] = {}
    for key in keys:
        texts.setdefault(word(lang, f"short_{key.command}"), []).append(key.shown.split()[0])
    return (f"{' '.join(shown)} {text}" for text, shown in texts.items())


def says(lang: str, key: Key) -> str:
    """What a key does."""
    if key.command.startswith("screen_"):
        return word(lang, "key_screen", name=word(lang, key.command))
    return word(lang, f"key_{key.command}")


def page() -> str:
    """docs/keys.md."""
    out = [
        "# Keys and commands",
        "",
        "Made from the registry in `afscope/tui/keys.py` (`AFSCOPE_UPDATE_FRAMES=1 pytest tests/tui/test_keys.py`). "
        "Every command is also in the palette (`:`). Mouse: click or drag in the time lanes moves the cursor, "
        "Shift-drag selects a range, the wheel zooms, sideways it pans.",
    ]
    for group in GROUPS:
        out += ["", f"## {word('en', f'group_{group}')}", "", "| key | does | on |", "|---|---|---|"]
        for key in (key for key in KEYS if key.group == group):
            shown = " ".join(f"`{part}`" for part in key.shown.replace("|", "\\|").split())
            where = (
                ", ".join(word("en", f"screen_{name}") for name in key.where) if key.where != TABLES else "every table"
            )
            out.append(f"| {shown} | {says('en', key)} | {where or 'everywhere'} |")
    return "\n".join(out) + "\n"


def complete() -> list[str]:
    """Texts that are missing: a new key needs its words."""
    wanted = {f"key_{key.command}" for key in KEYS if not key.command.startswith("screen_")}
    wanted |= {f"short_{key.command}" for key in KEYS if key.footer}
    return sorted(name for name in wanted if not known(name))
