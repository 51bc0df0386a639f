"""jobctl wait: until jobs have ended."""

from __future__ import annotations

from typing import Annotated

import typer

from jobctl.cli import filters, render, waiting
from jobctl.cli.options import Json, session

EXAMPLE = "jobctl wait welcome-42 --timeout 5m"


def command(
    ctx: typer.Context,
    ids: filters.Targets,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Give up after: 90s, 5m. Exit code 124."),
    ] = None,
    json: Json = False,
) -> int:
    """Wait until jobs have ended. Prints how each did.

    With a filter for those that match at the start. The exit code is 0 if all completed, 1
    if one did not, 124 on a time-out.
    """
    here = session(ctx)
    limit = waiting.limit(timeout, "--timeout")
    if wanted := filters.given(ids):
        found = [job.id for job in here.queue.stream(wanted)]
        if not found:
            render.note("no job matches: there is nothing to wait for")
    else:
        found = [here.queue.resolve(given).id for given in ids]
    waited = waiting.wait(here, found, limit)
    if json:
        render.json(here.records(waited.jobs))
    else:
        width = max((len(job.id) for job in waited.jobs), default=0)
        render.lines(f"{job.id:{width}}  {job.status}" for job in waited.jobs)
    return waiting.exit_code(waited)
