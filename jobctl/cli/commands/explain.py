"""jobctl explain: why a job does not run."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import explained, render, targets
from jobctl.cli.options import Json, session

EXAMPLE = "jobctl explain welcome-42"


def command(
    ctx: typer.Context,
    job_id: Annotated[
        str, typer.Argument(metavar="ID", help="An id, or a beginning that only one has.")
    ],
    json: Json = False,
) -> None:
    """Say why a job does not run, and what to do about it.

    Every reason is given. Of a running job it says how far it is, of a finished one how it
    ended.
    """
    queue = session(ctx).queue
    targets.refuse_filters([job_id])
    job = queue.resolve(job_id)
    if json:
        render.json(queue.explain(job.id))
    else:
        explained.show(queue.explain(job.id, explained.say))
