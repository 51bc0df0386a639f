"""jobctl config: the configuration, checked."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.quick import QuickCommand, QuickGroup, example

app = typer.Typer(
    cls=QuickGroup, rich_markup_mode=None, add_completion=False, invoke_without_command=True
)

INVALID = 2


@app.callback()
def config(ctx: typer.Context) -> None:
    """Check the configuration."""
    if ctx.invoked_subcommand is None:
        render.words(ctx.get_help())
        raise typer.Exit(2)


@app.command(cls=QuickCommand, epilog=example("jobctl config check"))
def check(ctx: typer.Context, json: Json = False) -> int:
    """Say all that is wrong with jobs.toml and the handlers it names; exit code 2."""
    from jobctl import bootstrap

    here = session(ctx)
    faults = bootstrap.check_config(here.config_flag, here.store_flag)
    if json:
        render.json(faults)
        return INVALID if faults else 0
    for fault in faults:
        render.block(fault.block())
    if not faults:
        render.note("the configuration is fine")
    return INVALID if faults else 0
