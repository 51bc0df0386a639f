"""jobctl stats: how many jobs have each status."""

from __future__ import annotations

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session

EXAMPLE = "jobctl stats --json"


def command(ctx: typer.Context, json: Json = False) -> None:
    """Count the jobs by status."""
    counts = session(ctx).queue.stats().as_dict()
    if json:
        render.json(counts)
    else:
        render.table(("STATUS", "JOBS"), [(name, str(n)) for name, n in counts.items()])
        from jobctl.cli import pauses

        pauses.remind(session(ctx).queue.paused())
