"""jobctl schedule: what runs by the clock. Each verb has its own file in cli/schedules."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.quick import QuickCommand, QuickGroup, example
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


for _name, _command, _example in (
    ("list", listing.command, "list"),
    ("show", show.command, "show backup"),
    ("next", next.command, "next backup -n 20"),
    ("add", add.command, 'add backup "0 3 * * *" hello --timezone UTC'),
    ("remove", remove.command, "remove backup"),
    ("enable", switch.enable, "enable backup"),
    ("disable", switch.disable, "disable backup"),
    ("trigger", trigger.command, "trigger backup"),
    ("history", history.command, "history backup -n 5"),
):
    app.command(_name, cls=QuickCommand, epilog=example(f"jobctl schedule {_example}"))(
        _command
    )
