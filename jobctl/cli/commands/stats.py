"""jobctl stats: how many jobs have each status."""

from __future__ import annotations

import typer

from jobctl.cli import filters, render
from jobctl.cli.options import Json, session


def command(ctx: typer.Context, chosen: filters.Filters = None, json: Json = False) -> None:
    """Count the jobs by status: all, or those that match."""
    wanted = filters.parse(chosen) if chosen else None
    counts = session(ctx).queue.stats(wanted).as_dict()
    if json:
        render.json(counts)
    else:
        render.table(("STATUS", "JOBS"), [(name, str(n)) for name, n in counts.items()])
        from jobctl.cli import pauses

        pauses.remind(session(ctx).queue.paused())
