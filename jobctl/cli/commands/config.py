"""jobctl config: the configuration, checked."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.quick import QuickCommand, example, group, require_command

app = group()

INVALID = 2


@app.callback()
def config(ctx: typer.Context) -> None:
    """Check the configuration."""
    require_command(ctx)


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
