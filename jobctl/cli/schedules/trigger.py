"""jobctl schedule trigger: its job, now."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.schedules.shown import Name


def command(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Add the job of a schedule at once, and print its id."""
    job_id = session(ctx).scheduler.trigger(name)
    if json:
        render.json({"id": job_id})
    else:
        render.lines([job_id])
