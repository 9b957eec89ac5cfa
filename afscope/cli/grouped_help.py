"""`--help` in groups without rich, whose import alone would cost 0.1 s (typer.rich_utils pulls in Markdown)."""

from typing import Any

from typer.core import TyperGroup

from afscope.cli.options import GROUPS


class GroupedHelp(TyperGroup):
    """Lists commands under their `rich_help_panel`, groups in the order of options.GROUPS."""

    # typer moved its copy of click between releases, hence Any for its context and formatter.
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes one section per group."""
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in (*GROUPS, "Commands")}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                title = panel if isinstance(panel, str) else "Commands"
                groups[title].append((name, command.get_short_help_str(limit=200)))
        for title, rows in groups.items():
            if not rows:
                continue
            with formatter.section(title):
                formatter.write_dl(rows)
