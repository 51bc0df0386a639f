"""jobctl schedule history: what became of its ticks."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render
from jobctl.cli.options import Json, session
from jobctl.cli.schedules.shown import Name, zoned


def command(
    ctx: typer.Context,
    name: Name,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="At most so many ticks.")
    ] = 20,
    json: Json = False,
) -> None:
    """Show what became of the last ticks, the newest first.

    A run of missed ones is one row."""
    scheduler = session(ctx).scheduler
    found = scheduler.history(name, limit)
    if json:
        render.json(found)
        return
    if not found:
        render.note("no tick has come yet")
        return
    schedule = scheduler.get(name)
    rows = []
    for tick in found:
        at = zoned(tick.at, schedule) if schedule else tick.at.isoformat(sep=" ")
        often = f"{tick.count} times" if tick.count > 1 else ""
        why = ", ".join(part for part in (often, tick.reason) if part)
        rows.append((at, str(tick.outcome), tick.job_id or "", why))
    render.table(("AT", "OUTCOME", "JOB", "WHY"), rows, shrink=((3, 20), (2, 16)))
