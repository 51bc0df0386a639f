"""jobctl schedule remove: drop-ins that `schedule add` wrote."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import session
from jobctl.cli.schedules.shown import Names
from jobctl.errors import JobctlError


def command(ctx: typer.Context, names: Names) -> int:
    """Remove schedules that were added.

    One that is written by hand is named with its file and line."""
    from jobctl import scheduling

    here = session(ctx)
    config, scheduler = here.deep_config, here.scheduler
    code = 0
    for name in dict.fromkeys(names):
        try:
            scheduling.remove(config, scheduler, name)
        except JobctlError as err:
            render.error(err)
            code = code or err.exit_code
        else:
            render.lines([name])
    return code
