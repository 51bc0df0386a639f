"""jobctl wait: until jobs have ended."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import render, targets, waiting
from jobctl.cli.options import Ids, Json, session

EXAMPLE = "jobctl wait welcome-42 --timeout 5m"


def command(
    ctx: typer.Context,
    ids: Ids,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Give up after: 90s, 5m. Exit code 124."),
    ] = None,
    json: Json = False,
) -> int:
    """Wait until jobs have ended. Prints how each did.

    The exit code is 0 if all completed, 1 if one did not, 124 on a time-out.
    """
    here = session(ctx)
    targets.refuse_filters(ids)
    limit = waiting.limit(timeout, "--timeout")
    jobs = [here.queue.resolve(given) for given in ids]
    waited = here.queue.wait([job.id for job in jobs], limit)
    if json:
        render.json(here.records(waited.jobs))
    else:
        render.lines(f"{job.id}  {job.status}" for job in waited.jobs)
    return waiting.exit_code(waited)
