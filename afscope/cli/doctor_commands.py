"""The command that takes one look: doctor."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afscope.cli.analysis_commands import investigation
from afscope.cli.options import EXPLAIN, Lang, People, choice, people, seconds
from afscope.cli.output import emit, message, plain, to_json
from afscope.cli.record_commands import (
    Broker,
    BrokerUrlFile,
    Context,
    Db,
    DbSecret,
    DbUrlFile,
    DbVia,
    Everywhere,
    Kube,
    Kubeconfig,
    Namespaces,
    check,
    ended_by_signals,
)
from afscope.cli.words import word
from afscope.errors import UsageError

if TYPE_CHECKING:
    from afscope.capture.agent import Plan
    from afscope.engine.investigation import Investigation
    from afscope.engine.wiring import Clock, Right

_LONGEST_S = 600.0
# Who takes a quick look waits for nobody: each first question gets so long.
_ANSWER_S = 3.0


def doctor(
    namespace: Namespaces = None,
    all_namespaces: Everywhere = False,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    db_url_file: DbUrlFile = None,
    db_secret: DbSecret = "",
    db_via: DbVia = "",
    broker_url_file: BrokerUrlFile = None,
    kube: Kube = True,
    db: Db = True,
    broker: Broker = True,
    look: Annotated[str, typer.Option("--for", metavar="12s", help="How long to watch.")] = "12s",
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="PATH", help="Keep what was seen as a capture.")
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="table|json")] = "table",
    lang: Lang = "",
) -> None:
    """Takes a quick look at a live system: what can be reached and read, and the verdict so far."""
    choice("--output", output, ("table", "json"))
    check(keep, namespace, all_namespaces, db_url_file, broker_url_file)
    length = seconds("--for", look) or 0.0
    if length > _LONGEST_S:
        raise UsageError("--for: a look is at most 10 minutes", "`afscope capture` records for longer")
    who = people("UTC", lang)

    from afscope.capture.agent import Plan

    plan = Plan(
        namespaces=tuple(namespace or ()), all_namespaces=all_namespaces, kubeconfig=kubeconfig or None,
        context=context or None, db_url_file=db_url_file, db_secret=db_secret, db_via=db_via,
        broker_url_file=broker_url_file, kube=kube, db=db, broker=broker, answer_s=_ANSWER_S,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="afscope-doctor-") as folder:
        out = keep or Path(folder) / "look.afscope"
        parts, complaints = _watched(plan, out, length)
        with investigation(out, who.lang) as opened:
            if output == "json":
                emit(to_json(_document(opened, parts, complaints)))
            else:
                emit(_text(opened, parts, complaints, who))


def _watched(plan: "Plan", out: Path, length_s: float) -> tuple[list[str], list[str]]:
    """Records for a while; what was reached, and what was said of the rest. Raises CannotConnect."""
    from afscope.capture.agent import reach, record

    complaints: list[str] = []
    with ended_by_signals() as stop, reach(plan, complaints.append) as reached:
        message(f"looking at {plain(reached.about)} for {length_s:g} s")
        record(plan, reached, out, stop, length_s, say=complaints.append, on_tick=lambda _: None)
        return list(reached.parts), complaints


def _text(opened: "Investigation", parts: list[str], complaints: list[str], who: People) -> str:
    from afscope.cli.doctor_view import checkup_text
    from afscope.cli.verdict_view import verdict_text
    from afscope.engine.wiring import wiring

    lines = [f"{word(who.lang, 'reached')}: {plain(part)}" for part in parts]
    lines += [f"! {plain(complaint)}" for complaint in complaints]
    checked = checkup_text(_rights(opened, parts), _clocks(opened), wiring(opened), who)
    return "\n".join(lines) + "\n\n" + checked + verdict_text(opened.analysis, who)


def _rights(opened: "Investigation", parts: list[str]) -> "list[Right]":
    from afscope.engine.wiring import rights

    asked = any(part.startswith("Kubernetes ") for part in parts)
    return rights(opened.capture.manifest.sources, cluster=asked)


def _clocks(opened: "Investigation") -> "list[Clock]":
    from afscope.engine.wiring import clocks

    return clocks(opened.capture.manifest.clock_offsets)


def _document(opened: "Investigation", parts: list[str], complaints: list[str]) -> dict[str, Any]:
    from afscope.cli.documents import analysis_document
    from afscope.engine.wiring import wiring

    found = [right._asdict() for right in _rights(opened, parts)]
    more: dict[str, Any] = {"reached": parts, "complaints": complaints, "rights": found, "wiring": wiring(opened)}
    more["clocks"] = [clock._asdict() for clock in _clocks(opened)]
    return {**analysis_document(opened.analysis), **more}


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(rich_help_panel=EXPLAIN)(doctor)
