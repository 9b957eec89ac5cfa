"""Themes: the colours of the frame, and what becomes of the colours of data.

Data is painted in one palette (Okabe and Ito's, told apart by every common colour vision). A filter exchanges it at
the last moment, so that nothing else has to know about themes; meaning never hangs on colour alone.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from afscope.tui import palette

_GROUNDS = (palette.CURSOR_GROUND, palette.RANGE_GROUND, palette.CHOSEN_GROUND)
DARK = Theme("afscope-dark", primary="#56b4e9", background="#121212", surface="#1e1e1e", foreground="#e0e0e0")
LIGHT = Theme(
    "afscope-light", primary="#0072b2", background="#fafafa", surface="#e4e4e4", foreground="#1a1a1a", dark=False
)
SAFE = Theme("afscope-safe", primary="#f0e442", background="#000000", surface="#262626", foreground="#ffffff")
MONO = Theme("afscope-mono", primary="#a0a0a0", background="#000000", surface="#303030", foreground="#f0f0f0")
ALL = {"dark": DARK, "light": LIGHT, "colour-blind": SAFE, "mono": MONO}
NAMES = tuple(ALL)
_OF = {theme.name: name for name, theme in ALL.items()}

_VIVID = {  # brighter, and trouble in red instead of vermillion: more contrast on black for eyes that see red
    palette.VERMILLION: "#ff6b57", palette.GREEN: "#3ddc84", palette.BLUE: "#5c9dff", palette.GREY: "#9a9a9a",
}  # fmt: skip
_ON_WHITE = {
    palette.YELLOW: "#8a7a00", palette.ORANGE: "#9c6a00", palette.SKY: "#00639c", palette.GREEN: "#00704f",
    palette.PURPLE: "#9c3f74", palette.VERMILLION: "#b34400", palette.GREY: "#666666",
    **dict(zip(_GROUNDS, ("#cfcfcf", "#d5e6f7", "#a8d4f5"), strict=True)),
}  # fmt: skip
_GREYS = {  # by weight, not by luminance: what is guilty is brightest
    palette.VERMILLION: "#ffffff", palette.ORANGE: "#e4e4e4", palette.YELLOW: "#d0d0d0", palette.PURPLE: "#c6c6c6",
    palette.SKY: "#bcbcbc", palette.GREEN: "#b2b2b2", palette.BLUE: "#a8a8a8", palette.GREY: "#949494",
    **dict(zip(_GROUNDS, ("#444444", "#303030", "#585858"), strict=True)),
}  # fmt: skip
_EXCHANGED: Mapping[str, Mapping[str, str]] = {
    "dark": _VIVID, "light": _ON_WHITE, "colour-blind": {}, "mono": _GREYS,
}  # fmt: skip


class Exchange(LineFilter):
    """Exchanges the colours of the palette for those of a theme."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._mono = theme == "mono"
        self._to = {_triplet(one): RichColor.parse(other) for one, other in _EXCHANGED[theme].items()}
        self._style = lru_cache(1024)(self._exchanged)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """One line."""
        return [Segment(s.text, self._style(s.style), s.control) if s.style else s for s in segments]

    def _exchanged(self, style: Style) -> Style:
        if self._mono:
            fore, back = self._other(style.color), self._other(style.bgcolor)
            return style + Style.from_color(fore or _grey(style.color), back or _grey(style.bgcolor))
        fore, back = self._other(style.color), self._other(style.bgcolor)
        return style + Style.from_color(fore, back) if fore or back else style

    def _other(self, color: RichColor | None) -> RichColor | None:
        if color is None or color.triplet is None:
            return None
        red, green, blue = color.triplet
        return self._to.get((red, green, blue))


class Bare(LineFilter):
    """No colour at all, as NO_COLOR asks for: the terminal's own, light or dark. A ground becomes reverse video.

    It stands alone: Textual's own filters would put colours back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._style = lru_cache(1024)(self._stripped)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """One line."""
        return [Segment(s.text, self._style(s.style), s.control) if s.style else s for s in segments]

    def _stripped(self, style: Style) -> Style:
        ground = None if style.bgcolor is None else style.bgcolor.triplet
        ranged = ground is not None and tuple(ground) == _triplet(palette.RANGE_GROUND)
        far = ground is not None and not ranged and abs(_light(ground) - _light(_triplet(DARK.background or ""))) > _FAR
        return Style(
            bold=style.bold, dim=style.dim, italic=style.italic, strike=style.strike, link=style.link,
            meta=style.meta or None, underline=style.underline or ranged or None,
            reverse=bool(style.reverse) != far or None,
        )  # fmt: skip


_FAR = 0.1


def _light(color: Sequence[int]) -> float:
    """How light a colour is, from 0 to 1."""
    return (299 * color[0] + 587 * color[1] + 114 * color[2]) / 255_000


def _triplet(color: str) -> tuple[int, int, int]:
    red, green, blue = RichColor.parse(color).get_truecolor()
    return red, green, blue


def _grey(color: RichColor | None) -> RichColor | None:
    return None if color is None else Color.from_rich_color(color).monochrome.rich_color


def named(theme: str) -> str:
    """Our name of a Textual theme; dark for all that are not ours."""
    return _OF.get(theme, "dark")
