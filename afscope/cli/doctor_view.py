"""What `doctor` adds to the verdict, for people: rights, and how the chain is wired."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from afscope.cli.doctor_words import SAY
from afscope.cli.options import People
from afscope.cli.output import plain, rendered
from afscope.cli.words import word

if TYPE_CHECKING:
    from rich.console import Console

    from afscope.engine.wiring import Clock, Right

_MARKS = {True: ("yes", "green"), False: ("no", "bold red"), None: ("unknown", "dim")}
# Of a refusal the head says it all; the JSON has the rest.
_LONGEST = 150
Line = tuple[bool | None, str, str]


def checkup_text(
    rights: "Sequence[Right]", clocks: "Sequence[Clock]", chains: Sequence[Mapping[str, Any]] | None, who: People
) -> str:
    """Rights, clocks and wiring as text for a terminal."""
    return rendered(lambda console: _draw(console, rights, clocks, chains, who))


def _draw(
    console: "Console",
    rights: "Sequence[Right]",
    clocks: "Sequence[Clock]",
    chains: Sequence[Mapping[str, Any]] | None,
    who: People,
) -> None:
    say = SAY[who.lang]
    _section(console, say["rights"], right_lines(rights, say), who)
    if clocks:
        _section(console, say["clocks"], clock_lines(clocks, say), who)
    if not chains:
        _section(console, say["wiring"], [(None, "", say["unknown_chain" if chains is None else "no_chain"])], who)
    for chain in chains or ():
        _section(console, f"{say['wiring']}: {plain(chain['target'])}", chain_lines(chain, say), who)


def right_lines(rights: "Sequence[Right]", say: Mapping[str, str]) -> Iterator[Line]:
    """Per system one line of what may be read, and one for each table that may not."""
    for system in ("kubernetes", "airflow_db"):
        mine = [right for right in rights if right.system == system]
        if good := [right.table for right in mine if right.ok]:
            whole = len(good) == len(mine)
            yield True, say[system], (say["all_read"] if whole else say["read"]).format(tables=", ".join(good))
        for right in mine:
            if not right.ok:
                yield right.ok, say[system], f"{right.table}: {_short(plain(right.reason)) or say['silent']}"
        if any(right.ok is False for right in mine):
            yield None, "", say[f"grant_{system}"]


def clock_lines(clocks: "Sequence[Clock]", say: Mapping[str, str]) -> Iterator[Line]:
    """One per source whose clock could be compared."""
    for clock in clocks:
        text = say["clock_same" if clock.together else "clock_ahead" if clock.ahead_s > 0 else "clock_behind"]
        shown = {"apart": f"{abs(clock.ahead_s):.1f}", "more": f"{clock.uncertainty_s:.1f}"}
        yield clock.together, plain(clock.source), text.format(**shown)


def chain_lines(chain: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[Line]:
    """The hops of one chain, in the order in which a wish for workers goes through them."""
    scaled, trigger = chain["scaledobject"], chain["trigger"]
    yield _state(scaled["ready"]), "ScaledObject", _told("Ready", scaled["ready"])
    yield None if _state(scaled["active"]) is False else _state(scaled["active"]), "", _told("Active", scaled["active"])
    if scaled["paused"]:
        yield False, "", say["paused"]
    if scaled["fallback"] == "True":
        yield False, "", say["fallback"]
    counted = say["trigger"].format(
        type=plain(trigger["type"]), target=f"{trigger['target']:g}", seconds=trigger["polling_interval_s"]
    )
    yield None, say["trigger_name"], counted
    if trigger["query"]:
        yield None, "", plain(" ".join(trigger["query"].split()))
    if (api := chain["external_metrics_api"]) is not None:
        known = api["status"] is not None
        text = _told("Available", api) if known else say["no_api"]
        yield _state(api) if known else False, "external.metrics", text
    if (hpa := chain["hpa"]) is not None:
        yield from _hpa_lines(hpa, say)
    if (ceiling := chain["ceiling"]) is not None:
        yield ceiling["reachable"], say["ceiling_name"], _ceiling(ceiling, say)


def _hpa_lines(hpa: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[Line]:
    if not hpa["exists"]:
        yield False, "HPA", say["no_hpa"].format(name=plain(hpa["name"]) or "?")
        return
    yield None, "HPA", plain(hpa["name"])
    yield _state(hpa["able_to_scale"]), "", _told("AbleToScale", hpa["able_to_scale"])
    yield _state(hpa["scaling_active"]), "", _told("ScalingActive", hpa["scaling_active"])
    yield None, "", _told("ScalingLimited", hpa["scaling_limited"])
    metric = hpa["metric"]
    now = say["no_value"] if metric["current"] is None else f"{metric['current']:g}"
    target = "?" if metric["target"] is None else f"{metric['target']:g}"
    text = say["metric"].format(
        name=plain(metric["name"]), value=now, type=plain(metric["type"]), target=target,
        current=hpa["current_replicas"], desired=hpa["desired_replicas"],
    )  # fmt: skip
    yield None, say["metric_name"], text


def _ceiling(ceiling: Mapping[str, Any], say: Mapping[str, str]) -> str:
    pools = say["unlimited"] if ceiling["pool_slots"] is None else str(ceiling["pool_slots"])
    text = say["reachable" if ceiling["reachable"] else "unreachable"].format(**{**ceiling, "pools": pools})
    assumed = [
        name for name, known in (("parallelism", "parallelism_known"), ("worker_concurrency", "worker_slots_known"))
        if not ceiling[known]
    ]  # fmt: skip
    return text + (say["assumed"].format(names=", ".join(assumed)) if assumed else "")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2].rstrip() + " …"


def _state(condition: Mapping[str, Any]) -> bool | None:
    return {"True": True, "False": False}.get(condition["status"] or "")


def _told(name: str, condition: Mapping[str, Any]) -> str:
    reason = f" ({plain(condition['reason'])})" if condition["reason"] else ""
    bad = condition["status"] == "False" and condition["message"]
    return f"{name}={condition['status'] or '?'}{reason}" + (f": {plain(condition['message'])}" if bad else "")


def _section(console: "Console", title: str, lines: "Iterator[Line] | Sequence[Line]", who: People) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(title, style="bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for ok, name, text in lines:
        mark, style = _MARKS[ok]
        shown = "" if ok is None and not name else "?" if ok is None else word(who.lang, mark)
        table.add_row(Text("  " + shown, style=style), Text(name), Text(text))
    console.print(table)
    console.print()
