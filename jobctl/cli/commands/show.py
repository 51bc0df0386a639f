"""jobctl show: all that is known of a job."""

from __future__ import annotations

import typer

from jobctl.cli import details, render, targets
from jobctl.cli.options import JobId, Json, session
from jobctl.clock import SystemClock

EXAMPLE = "jobctl show welcome-42"


def command(
    ctx: typer.Context,
    job_id: JobId,
    json: Json = False,
) -> None:
    """Show one job: its fields, its attempts and its last error."""
    here = session(ctx)
    job = targets.one(here, job_id)
    if json:
        render.json(here.record(job))
    else:
        details.show(job, here.record(job), SystemClock().now())
