"""The report as Markdown for a ticket: what fits there, in the order in which somebody asks for it."""

from collections.abc import Iterator

from afscope.report.content import Card, Content, Row, Table

_SPECIAL = str.maketrans({char: "\\" + char for char in "\\`*_[]<>#|~&@"})
_EVIDENCE = 5
_BLOCKS = 20


def markdown(told: Content) -> str:
    """GitHub-flavoured Markdown; text out of the capture is escaped, so that no name can mention or format."""
    return "\n".join(_lines(told)).strip() + "\n"


def escape(text: str) -> str:
    """Text that Markdown takes literally."""
    return text.translate(_SPECIAL)


def _lines(told: Content) -> Iterator[str]:
    say = told.look.say
    yield f"# {told.state_name}\n\n{escape(told.summary)}\n\n{escape(told.headline)}\n"
    yield from (f"- {name}: **{value}**" for value, name in told.numbers)
    for card in told.cards:
        yield from _card(card, told)
    if told.cleared:
        yield f"\n**{say('cleared')}**: {', '.join(told.cleared)}"
    yield f"\n## {say('s_waterfall')}\n"
    yield from _waterfall(told)
    yield f"\n## {say('s_decisions')}\n"
    yield from _table(told.decisions, told) if told.decisions.rows else [say("no_decisions")]
    yield f"\n## {say('s_killed')}\n"
    yield from _killed(told)
    for case in told.what_if:
        yield f"\n## {say('s_whatif')}: {escape(case.target)}\n\n{escape(case.trust)} {escape(case.warning)}\n"
        yield from _table(case.table, told)
    if told.lint:
        yield f"\n## {say('s_lint')}\n"
        yield from (f"- **{escape(card.title)}** {escape(card.remedy)}" for card in told.lint)
    yield from _people(told)
    yield from _unknown(told)
    yield f"\n---\n{escape(told.made_by)}"


def _card(card: Card, told: Content) -> Iterator[str]:
    say = told.look.say
    yield f"\n## {card.role_name}: {escape(card.title)}\n"
    share = [say("share_waiting", percent=card.share)] if card.share else []
    facts = [f"**{card.component}**", card.stage, escape(card.when), *card.costs, *share, card.confidence]
    yield " · ".join(facts) + "\n"
    if card.detail:
        yield escape(card.detail) + "\n"
    if card.remedy:
        yield f"**{say('do')}**: {escape(card.remedy)}\n"
    yield from _evidence(card.evidence, say("evidence"))
    yield from _evidence(card.against, say("against"))


def _evidence(rows: tuple[Row, ...], name: str) -> Iterator[str]:
    for row in rows[:_EVIDENCE]:
        yield f"- {name}: `{row.table}` {row.time} {escape(row.key)}: {escape(row.text)}"


def _waterfall(told: Content) -> Iterator[str]:
    if not told.bars:
        yield told.no_bars
        return
    rows = [(bar.stage, bar.seconds, f"{'█' * max(1, round(bar.width / 100 * _BLOCKS))} {bar.width:.0f} %",
             ", ".join(f"{cause} {seconds}" for cause, seconds, _ in bar.parts)) for bar in told.bars]  # fmt: skip
    heads = tuple(told.look.say(key) for key in ("t_stage", "t_waited", "t_share", "t_cause"))
    yield from _table(Table(heads, tuple(rows)), told)


def _killed(told: Content) -> Iterator[str]:
    if told.killed is None:
        yield told.look.say("kills_unknown")
    elif told.killed.rows:
        yield from _table(told.killed, told)
    else:
        yield told.look.say("no_kills")


def _people(told: Content) -> Iterator[str]:
    say = told.look.say
    yield f"\n## {say('s_components')}\n"
    heads = ("", say("t_component"), say("t_because"))
    yield from _table(Table(heads, tuple((name, who, why) for _, name, who, why in told.components)), told)
    yield f"\n## {say('s_conditions')}\n"
    yield from (f"- **{name}** {escape(what)}: {escape(why)}" for _, name, what, why in told.conditions)


def _unknown(told: Content) -> Iterator[str]:
    say = told.look.say
    yield f"\n## {say('s_unknown')}\n"
    yield from (f"- {escape(line)}" for line in told.limits)
    for table, none in ((told.gaps, "no_gaps"), (told.sources, "all_sources"), (told.needs, "")):
        if table.rows:
            yield ""
            yield from _table(table, told)
        elif none:
            yield f"- {say(none)}"


def _table(table: Table, told: Content) -> Iterator[str]:
    yield f"| {' | '.join(map(escape, table.heads))} |"
    yield "|" + "---|" * len(table.heads)
    yield from (f"| {' | '.join(map(escape, row))} |" for row in table.rows)
    if table.left_out:
        yield f"\n{told.look.say('more_rows', n=table.left_out)}"
