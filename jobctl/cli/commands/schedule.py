"""jobctl schedule: what runs by the clock. Each verb has its own file in cli/schedules."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.quick import QuickCommand, QuickGroup
from jobctl.cli.schedules import add, history, listing, next, remove, show, switch, trigger

app = typer.Typer(
    cls=QuickGroup, rich_markup_mode=None, add_completion=False, invoke_without_command=True
)


@app.callback()
def schedule(ctx: typer.Context) -> None:
    """List, show, add and switch what runs by the clock."""
    if ctx.invoked_subcommand is None:
        render.words(ctx.get_help())
        raise typer.Exit(2)


for _name, _command in (
    ("list", listing.command),
    ("show", show.command),
    ("next", next.command),
    ("add", add.command),
    ("remove", remove.command),
    ("enable", switch.enable),
    ("disable", switch.disable),
    ("trigger", trigger.command),
    ("history", history.command),
):
    app.command(_name, cls=QuickCommand)(_command)
