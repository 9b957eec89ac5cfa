"""Colours and glyphs. The colours are Okabe and Ito's, told apart by every common colour vision; no meaning hangs on
colour alone, for every state has its own glyph, letter or word as well (NO_COLOR, monochrome terminals, screen dumps).
"""

from afscope.model.finding import Role, Ruling, Severity

ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE, GREY = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8a8a8a",
)  # fmt: skip
CAUSES = (VERMILLION, SKY, ORANGE, PURPLE, YELLOW, GREEN, BLUE, GREY)
"""Of the binding-constraint strip, most waiting first; the ninth cause shares the first colour, not the letter."""

LANES = {
    "waiting": ORANGE, "queued": YELLOW, "running": GREEN, "metric": PURPLE,
    "desired": SKY, "current": SKY, "ready": GREEN, "slots": GREY, "slots_used": GREEN,
}  # fmt: skip
HEALTH = {"ok": (GREEN, "─"), "failing": (VERMILLION, "×"), "silent": (GREY, "·")}
VERDICT = {True: GREEN, False: VERMILLION, None: ORANGE}
SEVERITY = {
    Severity.CRITICAL: VERMILLION,
    Severity.HIGH: VERMILLION,
    Severity.MEDIUM: ORANGE,
    Severity.LOW: YELLOW,
    Severity.INFO: GREY,
}
ROLE = {Role.ROOT_CAUSE: "●", Role.CONTRIBUTING: "◐", Role.SYMPTOM: "○", Role.OBSERVATION: "·"}
RULING = {Ruling.GUILTY: (VERMILLION, "×"), Ruling.NOT_GUILTY: (GREEN, "√"), Ruling.NOT_ASSESSED: (GREY, "?")}

BLOCKS = " ▁▂▃▄▅▆▇█"
RANGE = "░"
HOLE = "╌"
GAP = "╱"
CURSOR, CURSOR_GROUND, RANGE_GROUND, CHOSEN_GROUND = "│", "#4a4a4a", "#26364a", "#0a4f7a"
MARK, ANCHOR, CHOSEN = "⚑", "╟", "▸"
DECISION, WARNING, OTHER = "◆", "!", "•"
TICKS = {"decision": (SKY, DECISION), "warning": (ORANGE, WARNING)}


def cause_letter(index: int) -> str:
    """A, B, … Z, a, … z by rank; then "#"."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return letters[index] if index < len(letters) else "#"


def cause_colour(index: int) -> str:
    """The colour of the cause of this rank."""
    return CAUSES[index % len(CAUSES)]


LIVE = {"live": "●", "paused": "‖"}
WANTED = "◇"
ENDED = "■"
DAMAGED = "!"
"""In the header, and before what is not whole on the capture screen."""
LEFT_OUT = "–"
PLAYS = "▶"

STAGES = {
    "run": (GREY, "r"), "schedule": (GREY, "s"), "limits": (ORANGE, "l"), "trigger": (SKY, "t"),
    "metric": (VERMILLION, "m"), "decide": (PURPLE, "d"), "create": (BLUE, "c"), "place": (BLUE, "p"),
    "image": (YELLOW, "i"), "start": (YELLOW, "b"),
    "consume": (SKY, "q"), "execute": (GREEN, "█"), "drain": (GREY, "~"), "unknown": (VERMILLION, "?"),
}  # fmt: skip
"""Bars of waits and lives of pods: each stage has a letter of its own."""
LOST, CRASH = "✗", "↯"
