"""jobctl explain: why a job does not run."""

from __future__ import annotations

import typer

from jobctl.cli import explained, render, targets
from jobctl.cli.options import JobId, Json, session

EXAMPLE = "jobctl explain welcome-42"


def command(
    ctx: typer.Context,
    job_id: JobId,
    json: Json = False,
) -> None:
    """Say why a job does not run, and what to do about it.

    Every reason is given. Of a running job it says how far it is, of a finished one how it
    ended.
    """
    here = session(ctx)
    job = targets.one(here, job_id)
    if json:
        render.json(here.queue.explain(job.id))
    else:
        explained.show(here.queue.explain(job.id, explained.say))
