"""jobctl show: all that is known of a job."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import details, render, targets
from jobctl.cli.options import Json, session
from jobctl.clock import SystemClock

EXAMPLE = "jobctl show welcome-42"


def command(
    ctx: typer.Context,
    job_id: Annotated[
        str, typer.Argument(metavar="ID", help="An id, or a beginning that only one has.")
    ],
    json: Json = False,
) -> None:
    """Show one job: its fields, its attempts and its last error."""
    here = session(ctx)
    targets.refuse_filters([job_id])
    job = here.queue.resolve(job_id)
    if json:
        render.json(here.record(job))
    else:
        details.show(job, here.record(job), SystemClock().now())
